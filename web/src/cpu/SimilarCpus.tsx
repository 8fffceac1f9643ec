import { Link } from '@tanstack/react-router';
import type { CombinedError } from 'urql';
import { shortCpuName, formatUsd, formatUsdPerMark } from '../lib/format';
import type { CpuRowFragment } from '../gql/graphql';
import { Icon } from '../ui/Icon';
import { Skeleton } from '../ui/State';
import { MarkBar, Rating } from './Indicators';
import { PanelError } from '../ui/Panel';
import panels from '../ui/Panel.module.css';
import styles from './SimilarCpus.module.css';

const MOST_COMPARED = 5;

/** Table of this CPU and the most similar ones. Bars are relative to the best of them. */
export function SimilarCpus({
  cpu,
  similar,
  error,
}: {
  cpu: CpuRowFragment;
  similar: CpuRowFragment[] | undefined;
  error: CombinedError | undefined;
}) {
  const rows = [cpu, ...(similar ?? [])];
  const maxMark = (markOf: (listed: CpuRowFragment) => number | null) =>
    Math.max(0, ...rows.map((listed) => markOf(listed) ?? 0));
  const maxMulti = maxMark((listed) => listed.cpuMarkMulti);
  const maxSingle = maxMark((listed) => listed.cpuMarkSingle);
  const slugs = rows.slice(0, MOST_COMPARED).map((listed) => listed.slug);
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
        <p className={`muted ${panels.message}`}>No other CPU has enough known figures to be compared.</p>
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
                ? rows.map((listed) => (
                    <Row
                      key={listed.slug}
                      cpu={listed}
                      isCurrent={listed.slug === cpu.slug}
                      maxMulti={maxMulti}
                      maxSingle={maxSingle}
                    />
                  ))
                : Array.from({ length: 7 }, (_, row) => <RowSkeleton key={row} />)}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Row({
  cpu,
  isCurrent,
  maxMulti,
  maxSingle,
}: {
  cpu: CpuRowFragment;
  isCurrent: boolean;
  maxMulti: number;
  maxSingle: number;
}) {
  return (
    <tr aria-current={isCurrent || undefined}>
      <th scope="row">
        {isCurrent ? (
          <>
            <Icon name="right" size={12} /> {shortCpuName(cpu.name)}
            <span className="visually-hidden"> (this CPU)</span>
          </>
        ) : (
          <Link to="/cpu/$slug" params={{ slug: cpu.slug }} title={cpu.name}>
            {shortCpuName(cpu.name)}
          </Link>
        )}
      </th>
      <td className="number">
        <MarkBar value={cpu.cpuMarkMulti} max={maxMulti} />
      </td>
      <td className="number">
        <MarkBar value={cpu.cpuMarkSingle} max={maxSingle} />
      </td>
      <td className={`number ${styles.numeric}`}>{formatUsd(cpu.priceTarget.good)}</td>
      <td className={`number ${styles.numeric}`}>{formatUsdPerMark(cpu.performanceValue.dollarPerMarkMulti)}</td>
      <td>
        <Rating rating={cpu.performanceValue.rating} />
      </td>
    </tr>
  );
}

function RowSkeleton() {
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
