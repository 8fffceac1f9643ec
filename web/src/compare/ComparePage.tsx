import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { useQuery } from 'urql';
import { useConnection } from '../api/connection';
import { NO_VALUE, shortCpuName } from '../lib/format';
import { CompareCpusDocument, SimilarCpusDocument } from '../gql/graphql';
import { Button, IconButton } from '../ui/Button';
import { Icon } from '../ui/Icon';
import { LoadError, Skeleton, EmptyState } from '../ui/State';
import { AddCpu } from './AddCpu';
import { MAX_COMPARED, readSlugs, writeSlugs } from './address';
import { allEqual, bestColumns, type ComparedCpu, rowGroups, type ComparisonRow } from './rows';
import forms from '../ui/forms.module.css';
import panels from '../ui/Panel.module.css';
import styles from './ComparePage.module.css';

export function ComparePage() {
  const search = useSearch({ from: '/compare' });
  const slugs = useMemo(() => readSlugs(search), [search]);
  const navigate = useNavigate();
  const showSlugs = useCallback(
    (next: string[]) => void navigate({ to: '/compare', search: writeSlugs(next), resetScroll: false }),
    [navigate],
  );
  const add = useCallback((slug: string) => showSlugs([...slugs, slug]), [showSlugs, slugs]);
  const remove = useCallback((slug: string) => showSlugs(slugs.filter((other) => other !== slug)), [showSlugs, slugs]);
  const [{ data, error, fetching }, refetch] = useQuery({
    query: CompareCpusDocument,
    variables: { slugs },
    pause: slugs.length === 0,
  });
  const { state } = useConnection();
  // While a CPU is loading, the others are already in their final columns.
  const cpusBySlug = new Map(data?.cpusBySlugs.flatMap((cpu) => (cpu ? [[cpu.slug, cpu] as const] : [])));
  const cpus = slugs.flatMap((slug) => cpusBySlug.get(slug) ?? []);
  const missing = fetching ? [] : slugs.filter((slug) => data && !cpusBySlug.has(slug));
  const names = cpus.map((cpu) => shortCpuName(cpu.name)).join(', ');
  useEffect(() => {
    document.title = names ? `${names} compared – Dealmark` : 'Compare – Dealmark';
  }, [names]);
  return (
    <div className={`page ${styles.page}`}>
      <header className={styles.top}>
        <h1>Compare</h1>
        {slugs.length < MAX_COMPARED ? (
          <AddCpu comparedSlugs={slugs} add={add} />
        ) : (
          <p className={`muted ${styles.full}`}>You can compare up to five CPUs. Remove one to add another.</p>
        )}
      </header>
      <p role="status" className="visually-hidden">
        {fetching ? 'Loading' : cpus.length === 0 ? 'No CPU selected' : `Compared: ${names}`}
      </p>
      {missing.map((slug) => (
        <p key={slug} className={styles.missing}>
          <Icon name="warning" />
          <span>There is no CPU {slug}.</span>
          <Button size="small" onClick={() => remove(slug)}>
            Remove
          </Button>
        </p>
      ))}
      {slugs.length === 0 && (
        <EmptyState icon="columns" title="Choose two to five CPUs">
          The comparison shows them side by side and marks the best value of each row. To share it, send its address.
        </EmptyState>
      )}
      {slugs.length > 0 && !data && (error || (state === 'offline' && !fetching)) && (
        <LoadError error={error} onRetry={() => refetch({ requestPolicy: 'network-only' })} />
      )}
      {slugs.length > 0 && (cpus.length > 0 || (!data && !error)) && (
        <Comparison cpus={cpus} loadingCount={fetching ? slugs.length - cpus.length : 0} remove={remove} />
      )}
      {slugs.length > 0 && slugs.length < MAX_COMPARED && (
        <Suggestions slug={slugs[0] ?? ''} chosen={slugs} add={add} />
      )}
    </div>
  );
}

function Comparison({
  cpus,
  loadingCount,
  remove,
}: {
  cpus: ComparedCpu[];
  loadingCount: number;
  remove: (slug: string) => void;
}) {
  const [onlyDifferences, setOnlyDifferences] = useState(false);
  const hasSeveral = cpus.length > 1;
  const placeholders = Array.from({ length: loadingCount }, (_, index) => index);
  // All CPU columns are equally wide.
  const width = { width: `${100 / (cpus.length + loadingCount)}%` };
  return (
    <>
      <div className={styles.options}>
        <label className={forms.check}>
          <input
            type="checkbox"
            checked={onlyDifferences}
            disabled={!hasSeveral}
            onChange={(event) => setOnlyDifferences(event.target.checked)}
          />
          Only differences
        </label>
        <span className={`muted ${styles.legend}`} aria-hidden="true">
          <i className={styles.bestMark}>
            <Icon name="check" size={12} />
          </i>{' '}
          best of the row
        </span>
      </div>
      <div className={`${panels.panel} ${styles.scroll}`} role="region" aria-label="Comparison" tabIndex={0}>
        <table className={styles.table}>
          <thead>
            <tr>
              <td />
              {cpus.map((cpu) => (
                <th key={cpu.slug} scope="col" style={width}>
                  <div className={styles.cpuHead}>
                    <Link to="/cpu/$slug" params={{ slug: cpu.slug }} title={cpu.name}>
                      {shortCpuName(cpu.name)}
                    </Link>
                    <IconButton
                      label={`Remove ${shortCpuName(cpu.name)}`}
                      icon="close"
                      onClick={() => remove(cpu.slug)}
                    />
                  </div>
                </th>
              ))}
              {placeholders.map((index) => (
                <td key={index} style={width}>
                  <Skeleton width={8} />
                </td>
              ))}
            </tr>
          </thead>
          {rowGroups.map(({ title, rows: lines }) => {
            const visibleRows = lines.filter((row) => !(onlyDifferences && hasSeveral && allEqual(row, cpus)));
            if (visibleRows.length === 0) return null;
            return (
              <tbody key={title}>
                <tr className={styles.group}>
                  <th scope="rowgroup">{title}</th>
                  <td colSpan={cpus.length + loadingCount} />
                </tr>
                {visibleRows.map((row) => (
                  <Row key={row.label} row={row} cpus={cpus} loadingCount={loadingCount} />
                ))}
              </tbody>
            );
          })}
        </table>
      </div>
    </>
  );
}

function Row({ row, cpus, loadingCount }: { row: ComparisonRow; cpus: ComparedCpu[]; loadingCount: number }) {
  const best = bestColumns(row, cpus);
  const values = cpus.map(row.value);
  const maxValue = Math.max(0, ...values.filter((value) => typeof value === 'number'));
  const isEqual = cpus.length > 1 && allEqual(row, cpus);
  return (
    <tr className={isEqual ? styles.same : undefined}>
      <th scope="row" title={row.hint}>
        {row.label}
      </th>
      {cpus.map((cpu, index) => {
        const value = values[index] ?? null;
        return (
          <td key={cpu.slug} className={best[index] ? styles.best : undefined}>
            <span className={`${styles.value} number`}>
              {value === null ? <UnknownValue /> : (row.format?.(cpu) ?? value)}
              {best[index] && (
                <i className={styles.bestMark}>
                  <Icon name="check" size={12} />
                  <span className="visually-hidden">best</span>
                </i>
              )}
            </span>
            {row.bar && typeof value === 'number' && (
              <span className={styles.bar} aria-hidden="true">
                <span style={{ width: `${(value / maxValue) * 100}%` }} />
              </span>
            )}
          </td>
        );
      })}
      {Array.from({ length: loadingCount }, (_, index) => (
        <td key={index}>
          <Skeleton width={4} />
        </td>
      ))}
    </tr>
  );
}

function UnknownValue() {
  return (
    <span className="muted">
      <span aria-hidden="true">{NO_VALUE}</span>
      <span className="visually-hidden">unknown</span>
    </span>
  );
}

function Suggestions({ slug, chosen, add }: { slug: string; chosen: string[]; add: (slug: string) => void }) {
  const [{ data }] = useQuery({ query: SimilarCpusDocument, variables: { slug } });
  const suggestions = (data?.cpu?.similar ?? []).filter((cpu) => !chosen.includes(cpu.slug)).slice(0, 5);
  if (suggestions.length === 0) return null;
  return (
    <section className={styles.suggestions} aria-labelledby="suggestions-title">
      <h2 id="suggestions-title">Add a similar CPU</h2>
      <ul>
        {suggestions.map((cpu) => (
          <li key={cpu.slug}>
            <Button size="small" onClick={() => add(cpu.slug)} aria-label={`Add ${shortCpuName(cpu.name)}`}>
              + {shortCpuName(cpu.name)}
            </Button>
          </li>
        ))}
      </ul>
    </section>
  );
}
