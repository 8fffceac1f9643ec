import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { useQuery } from 'urql';
import { useConnection } from '../api/connection';
import { NONE, shortName } from '../lib/format';
import { CompareCpusDocument, SimilarCpusDocument } from '../gql/graphql';
import { Button, IconButton } from '../ui/Button';
import { Icon } from '../ui/Icon';
import { Failure, Skeleton, State } from '../ui/State';
import { AddCpu } from './AddCpu';
import { MOST, readSlugs, writeSlugs } from './address';
import { alike, bestOf, type Cpu, groups, type Line } from './rows';
import forms from '../ui/forms.module.css';
import panels from '../ui/Panel.module.css';
import styles from './ComparePage.module.css';

export function ComparePage() {
  const search = useSearch({ from: '/compare' });
  const slugs = useMemo(() => readSlugs(search), [search]);
  const navigate = useNavigate();
  const change = useCallback(
    (next: string[]) => void navigate({ to: '/compare', search: writeSlugs(next), resetScroll: false }),
    [navigate],
  );
  const add = useCallback((slug: string) => change([...slugs, slug]), [change, slugs]);
  const remove = useCallback((slug: string) => change(slugs.filter((each) => each !== slug)), [change, slugs]);
  const [{ data, error, fetching }, run] = useQuery({
    query: CompareCpusDocument,
    variables: { slugs },
    pause: slugs.length === 0,
  });
  const { state } = useConnection();
  // While another CPU is on its way, those that are known stand where they will be.
  const known = new Map(data?.cpusBySlugs.flatMap((cpu) => (cpu ? [[cpu.slug, cpu] as const] : [])));
  const cpus = slugs.flatMap((slug) => known.get(slug) ?? []);
  const missing = fetching ? [] : slugs.filter((slug) => data && !known.has(slug));
  const names = cpus.map((cpu) => shortName(cpu.name)).join(', ');
  useEffect(() => {
    document.title = names ? `${names} compared – Dealmark` : 'Compare – Dealmark';
  }, [names]);
  return (
    <div className={`page ${styles.page}`}>
      <header className={styles.top}>
        <h1>Compare</h1>
        {slugs.length < MOST ? (
          <AddCpu chosen={slugs} add={add} />
        ) : (
          <p className={`muted ${styles.full}`}>
            Five CPUs are the most that can be compared. Remove one to add another.
          </p>
        )}
      </header>
      <p role="status" className="visually-hidden">
        {fetching ? 'Loading' : cpus.length === 0 ? 'No CPU is compared' : `Compared: ${names}`}
      </p>
      {missing.map((slug) => (
        <p key={slug} className={styles.missing}>
          <Icon name="warning" />
          <span>Nothing is called {slug}.</span>
          <Button size="small" onClick={() => remove(slug)}>
            Remove
          </Button>
        </p>
      ))}
      {slugs.length === 0 && (
        <State icon="columns" title="Choose two to five CPUs">
          They stand side by side here, with the better figure of each line marked. The address is the comparison: send
          it to whoever should see it.
        </State>
      )}
      {slugs.length > 0 && !data && (error || (state === 'away' && !fetching)) && (
        <Failure error={error} again={() => run({ requestPolicy: 'network-only' })} />
      )}
      {slugs.length > 0 && (cpus.length > 0 || (!data && !error)) && (
        <Comparison cpus={cpus} waiting={fetching ? slugs.length - cpus.length : 0} remove={remove} />
      )}
      {slugs.length > 0 && slugs.length < MOST && <Suggestions slug={slugs[0] ?? ''} chosen={slugs} add={add} />}
    </div>
  );
}

function Comparison({ cpus, waiting, remove }: { cpus: Cpu[]; waiting: number; remove: (slug: string) => void }) {
  const [different, setDifferent] = useState(false);
  const several = cpus.length > 1;
  const blanks = Array.from({ length: waiting }, (_, index) => index);
  // All CPUs have as much room; the names of the lines take theirs first.
  const width = { width: `${100 / (cpus.length + waiting)}%` };
  return (
    <>
      <div className={styles.options}>
        <label className={forms.check}>
          <input
            type="checkbox"
            checked={different}
            disabled={!several}
            onChange={(event) => setDifferent(event.target.checked)}
          />
          Only what differs
        </label>
        <span className={`muted ${styles.legend}`} aria-hidden="true">
          <i className={styles.bestMark}>
            <Icon name="check" size={12} />
          </i>{' '}
          the best of its line
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
                      {shortName(cpu.name)}
                    </Link>
                    <IconButton label={`Remove ${shortName(cpu.name)}`} icon="close" onClick={() => remove(cpu.slug)} />
                  </div>
                </th>
              ))}
              {blanks.map((index) => (
                <td key={index} style={width}>
                  <Skeleton width={8} />
                </td>
              ))}
            </tr>
          </thead>
          {groups.map(({ title, lines }) => {
            const shown = lines.filter((line) => !(different && several && alike(line, cpus)));
            if (shown.length === 0) return null;
            return (
              <tbody key={title}>
                <tr className={styles.group}>
                  <th scope="rowgroup">{title}</th>
                  <td colSpan={cpus.length + waiting} />
                </tr>
                {shown.map((line) => (
                  <Row key={line.label} line={line} cpus={cpus} waiting={waiting} />
                ))}
              </tbody>
            );
          })}
        </table>
      </div>
    </>
  );
}

function Row({ line, cpus, waiting }: { line: Line; cpus: Cpu[]; waiting: number }) {
  const best = bestOf(line, cpus);
  const values = cpus.map(line.value);
  const most = Math.max(0, ...values.filter((value) => typeof value === 'number'));
  const same = cpus.length > 1 && alike(line, cpus);
  return (
    <tr className={same ? styles.same : undefined}>
      <th scope="row" title={line.hint}>
        {line.label}
      </th>
      {cpus.map((cpu, index) => {
        const value = values[index] ?? null;
        return (
          <td key={cpu.slug} className={best[index] ? styles.best : undefined}>
            <span className={`${styles.value} number`}>
              {value === null ? <Unknown /> : (line.show?.(cpu) ?? value)}
              {best[index] && (
                <i className={styles.bestMark}>
                  <Icon name="check" size={12} />
                  <span className="visually-hidden">best</span>
                </i>
              )}
            </span>
            {line.bar && typeof value === 'number' && (
              <span className={styles.bar} aria-hidden="true">
                <span style={{ width: `${(value / most) * 100}%` }} />
              </span>
            )}
          </td>
        );
      })}
      {Array.from({ length: waiting }, (_, index) => (
        <td key={index}>
          <Skeleton width={4} />
        </td>
      ))}
    </tr>
  );
}

function Unknown() {
  return (
    <span className="muted">
      <span aria-hidden="true">{NONE}</span>
      <span className="visually-hidden">not known</span>
    </span>
  );
}

function Suggestions({ slug, chosen, add }: { slug: string; chosen: string[]; add: (slug: string) => void }) {
  const [{ data }] = useQuery({ query: SimilarCpusDocument, variables: { slug } });
  const others = (data?.cpu?.similar ?? []).filter((cpu) => !chosen.includes(cpu.slug)).slice(0, 5);
  if (others.length === 0) return null;
  return (
    <section className={styles.suggestions} aria-labelledby="suggestions-title">
      <h2 id="suggestions-title">Similar, to be added</h2>
      <ul>
        {others.map((cpu) => (
          <li key={cpu.slug}>
            <Button size="small" onClick={() => add(cpu.slug)} aria-label={`Add ${shortName(cpu.name)}`}>
              + {shortName(cpu.name)}
            </Button>
          </li>
        ))}
      </ul>
    </section>
  );
}
