import { formatInteger } from '../lib/format';
import type { CpuRowFragment } from '../gql/graphql';
import styles from './Benchmarks.module.css';

type CpuMarks = Pick<CpuRowFragment, 'cpuMarkMulti' | 'cpuMarkSingle'>;

/** Both marks as bars relative to the fastest CPU of the catalogue. A notch shows the mean of the similar CPUs. */
export function Benchmarks({
  cpu,
  maxMarks,
  similar,
}: {
  cpu: CpuMarks;
  maxMarks: { multi: number; single: number };
  similar: CpuMarks[] | undefined;
}) {
  return (
    <div className={styles.bars}>
      <Bar
        label="Multi-thread mark"
        value={cpu.cpuMarkMulti}
        max={maxMarks.multi}
        similarMean={meanMark(similar, 'cpuMarkMulti')}
      />
      <Bar
        label="Single-thread mark"
        value={cpu.cpuMarkSingle}
        max={maxMarks.single}
        similarMean={meanMark(similar, 'cpuMarkSingle')}
      />
    </div>
  );
}

function meanMark(cpus: CpuMarks[] | undefined, mark: keyof CpuMarks): number | undefined {
  const values = (cpus ?? []).map((cpu) => cpu[mark]).filter((value) => value !== null);
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function Bar({
  label,
  value,
  max,
  similarMean,
}: {
  label: string;
  value: number | null;
  max: number;
  similarMean: number | undefined;
}) {
  const percentOfMax = (mark: number) => (max === 0 ? 0 : Math.min(100, (mark / max) * 100));
  return (
    <div className={styles.bar}>
      <div className={styles.head}>
        <span className="muted">{label}</span>
        <strong className="number">{value === null ? 'Not measured' : formatInteger(value)}</strong>
      </div>
      <div className={styles.track} aria-hidden="true">
        {value !== null && <span className={styles.fill} style={{ width: `max(2px, ${percentOfMax(value)}%)` }} />}
        {similarMean !== undefined && max > 0 && (
          <span className={styles.notch} style={{ left: `${percentOfMax(similarMean)}%` }} />
        )}
      </div>
      <p className={`muted ${styles.notes}`}>
        {value !== null && max > 0 ? shareOfFastest(percentOfMax(value)) : '\u00a0'}
        {similarMean !== undefined && <span className="number">Similar CPUs: {formatInteger(similarMean)}</span>}
      </p>
    </div>
  );
}

function shareOfFastest(percentOfMax: number) {
  return (
    <span>
      {percentOfMax >= 100
        ? 'The fastest of all'
        : `${percentOfMax < 10 ? percentOfMax.toFixed(1) : Math.round(percentOfMax)} % of the fastest`}
    </span>
  );
}
