import { Link } from '@tanstack/react-router';
import type { CombinedError } from 'urql';
import { shortName, usd, usdPerMark } from '../lib/format';
import type { CpuRowFragment } from '../gql/graphql';
import { Icon } from '../ui/Icon';
import { Skeleton } from '../ui/State';
import { MarkBar, Rating } from './Indicators';
import { PanelError } from '../ui/Panel';
import panels from '../ui/Panel.module.css';
import styles from './SimilarCpus.module.css';

const MOST_COMPARED = 5;

/** The nearest CPUs in a list below this one, with bars drawn to the best among them. */
export function Similar({
  cpu,
  similar,
  error,
}: {
  cpu: CpuRowFragment;
  similar: CpuRowFragment[] | undefined;
  error: CombinedError | undefined;
}) {
  const shown = [cpu, ...(similar ?? [])];
  const most = (of: (each: CpuRowFragment) => number | null) => Math.max(0, ...shown.map((each) => of(each) ?? 0));
  const multi = most((each) => each.cpuMarkMulti);
  const single = most((each) => each.cpuMarkSingle);
  const slugs = shown.slice(0, MOST_COMPARED).map((each) => each.slug);
  return (
    <section className={`${panels.panel} ${panels.padded} ${styles.similar}`} aria-labelledby="similar-title">
      <div className={panels.head}>
        <h2 id="similar-title">Similar CPUs</h2>
        {similar && similar.length > 0 && (
          <Link to="/compare" search={{ cpus: slugs.join(',') }} className={panels.link}>
            Compare the first {slugs.length}
          </Link>
        )}
      </div>
      {similar === undefined && error ? (
        <PanelError error={error} />
      ) : similar?.length === 0 ? (
        <p className={`muted ${panels.message}`}>No other CPU is known well enough to be similar.</p>
      ) : (
        <div className={styles.scroll} role="region" aria-label="Table of similar CPUs" tabIndex={0}>
          <table className={styles.table}>
            <thead>
              <tr>
                <th scope="col">CPU</th>
                <th scope="col">Multi-thread</th>
                <th scope="col">Single-thread</th>
                <th scope="col" className={styles.numeric}>
                  Good price
                </th>
                <th scope="col" className={styles.numeric}>
                  $ per mark
                </th>
                <th scope="col">Value</th>
              </tr>
            </thead>
            <tbody>
              {similar
                ? shown.map((each) => (
                    <Row key={each.slug} cpu={each} own={each.slug === cpu.slug} multi={multi} single={single} />
                  ))
                : Array.from({ length: 7 }, (_, row) => <RowWaiting key={row} />)}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Row({ cpu, own, multi, single }: { cpu: CpuRowFragment; own: boolean; multi: number; single: number }) {
  return (
    <tr aria-current={own || undefined}>
      <th scope="row">
        {own ? (
          <>
            <Icon name="right" size={12} /> {shortName(cpu.name)}
            <span className="visually-hidden"> (this CPU)</span>
          </>
        ) : (
          <Link to="/cpu/$slug" params={{ slug: cpu.slug }} title={cpu.name}>
            {shortName(cpu.name)}
          </Link>
        )}
      </th>
      <td className="number">
        <MarkBar value={cpu.cpuMarkMulti} most={multi} />
      </td>
      <td className="number">
        <MarkBar value={cpu.cpuMarkSingle} most={single} />
      </td>
      <td className={`number ${styles.numeric}`}>{usd(cpu.priceTarget.good)}</td>
      <td className={`number ${styles.numeric}`}>{usdPerMark(cpu.performanceValue.dollarPerMarkMulti)}</td>
      <td>
        <Rating rating={cpu.performanceValue.rating} />
      </td>
    </tr>
  );
}

function RowWaiting() {
  return (
    <tr aria-hidden="true">
      {[10, 7, 7, 4, 4, 4].map((width, column) => (
        <td key={column}>
          <Skeleton width={width} />
        </td>
      ))}
    </tr>
  );
}
