import { whole } from '../lib/format';
import type { CpuRowFragment } from '../gql/graphql';
import styles from './Benchmarks.module.css';

type Marked = Pick<CpuRowFragment, 'cpuMarkMulti' | 'cpuMarkSingle'>;

/** Both marks as bars, drawn to the fastest CPU of the catalogue; a notch is the mean of the similar ones. */
export function Marks({
  cpu,
  best,
  similar,
}: {
  cpu: Marked;
  best: { multi: number; single: number };
  similar: Marked[] | undefined;
}) {
  return (
    <div className={styles.bars}>
      <Bar
        label="Multi-thread mark"
        value={cpu.cpuMarkMulti}
        most={best.multi}
        others={mean(similar, 'cpuMarkMulti')}
      />
      <Bar
        label="Single-thread mark"
        value={cpu.cpuMarkSingle}
        most={best.single}
        others={mean(similar, 'cpuMarkSingle')}
      />
    </div>
  );
}

function mean(cpus: Marked[] | undefined, mark: keyof Marked): number | undefined {
  const known = (cpus ?? []).map((cpu) => cpu[mark]).filter((value) => value !== null);
  return known.length === 0 ? undefined : known.reduce((sum, value) => sum + value, 0) / known.length;
}

function Bar({
  label,
  value,
  most,
  others,
}: {
  label: string;
  value: number | null;
  most: number;
  others: number | undefined;
}) {
  const share = (of: number) => (most === 0 ? 0 : Math.min(100, (of / most) * 100));
  return (
    <div className={styles.bar}>
      <div className={styles.head}>
        <span className="muted">{label}</span>
        <strong className="number">{value === null ? 'Never measured' : whole(value)}</strong>
      </div>
      <div className={styles.track} aria-hidden="true">
        {value !== null && <span className={styles.fill} style={{ width: `max(2px, ${share(value)}%)` }} />}
        {others !== undefined && most > 0 && <span className={styles.notch} style={{ left: `${share(others)}%` }} />}
      </div>
      <p className={`muted ${styles.notes}`}>
        {value !== null && most > 0 ? fastest(share(value)) : '\u00a0'}
        {others !== undefined && <span className="number">Similar CPUs: {whole(others)}</span>}
      </p>
    </div>
  );
}

function fastest(share: number) {
  return (
    <span>
      {share >= 100 ? 'The fastest of all' : `${share < 10 ? share.toFixed(1) : Math.round(share)} % of the fastest`}
    </span>
  );
}
