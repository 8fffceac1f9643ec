import { useNavigate, useSearch } from '@tanstack/react-router';
import { lazy, Suspense, useCallback, useDeferredValue, useEffect, useMemo } from 'react';
import { useQuery } from 'urql';
import { useConnection } from '../api/connection';
import { whole } from '../lib/format';
import { FilterOptionsDocument } from '../gql/graphql';
import { useMedia } from '../lib/useMediaQuery';
import { Button } from '../ui/Button';
import { Failure, State } from '../ui/State';
import { Chips } from './FilterChips';
import { Filters } from './Filters';
import { GridView } from './GridView';
import { ListView } from './ListView';
import { Pager } from './Pager';
import { SearchBox } from './SearchBox';
import { SplitView } from './SplitView';
import { Layouts } from './LayoutSwitch';
import { useCpus } from './useCpus';
import { type Change, changed, readView, unfiltered, type View, writeView } from './viewState';
import scroll from './scrollRegion.module.css';
import skeletons from '../ui/Skeleton.module.css';
import styles from './CataloguePage.module.css';

// Popups and the sheet of narrow screens: loaded once the page is there.
const Tools = lazy(() => import('./ViewMenu'));
const FilterSheet = lazy(() => import('./FilterSheet'));

export function CataloguePage() {
  const search = useSearch({ from: '/' });
  const view = useMemo(() => readView(search), [search]);
  const change = useChange(view);
  const wide = useMedia('(min-width: 64rem)');
  const [{ data: choices }] = useQuery({ query: FilterOptionsDocument });
  const cpus = useCpus(view);
  useEffect(() => {
    // An old link whose order was changed by hand: the list starts on its first page.
    if (cpus.lost) change({}, { replace: true });
  }, [cpus.lost, change]);
  const { state } = useConnection();
  // Typing and sliding go on while a long list is drawn.
  const rows = useDeferredValue(cpus.rows);
  const statistics = choices?.statistics;
  const scale = useMemo(
    () => ({
      multi: Math.max(0, ...(rows ?? []).map((cpu) => cpu.cpuMarkMulti ?? 0)),
      single: Math.max(0, ...(rows ?? []).map((cpu) => cpu.cpuMarkSingle ?? 0)),
    }),
    [rows],
  );

  useEffect(() => {
    document.title = view.search ? `${view.search} – Dealmark` : 'CPUs by what they are worth – Dealmark';
  }, [view.search]);

  const Shown = { list: ListView, grid: GridView, split: SplitView }[view.layout];
  return (
    <div className={styles.catalogue}>
      {wide && (
        <aside className={styles.sidebar} aria-label="Filters">
          <Filters view={view} change={change} choices={statistics} />
        </aside>
      )}
      <section className={styles.results} aria-labelledby="catalogue-title">
        <h1 id="catalogue-title" className="visually-hidden">
          Catalogue
        </h1>
        <div className={styles.toolbar}>
          <SearchBox view={view} change={change} />
          <div className={styles.toolbarEnd}>
            <Suspense fallback={<span className={styles.menuPlaceholder} />}>
              {!wide && <FilterSheet view={view} change={change} choices={statistics} total={cpus.total} />}
              <Tools view={view} change={change} total={cpus.total} />
            </Suspense>
            <Layouts view={view} change={change} />
          </div>
        </div>
        <div className={styles.summary}>
          <p role="status" className={styles.count}>
            {rows && (
              <>
                <strong className="number">{whole(cpus.total)}</strong>
                {statistics && cpus.total !== statistics.total && (
                  <span className="muted number"> of {whole(statistics.total)}</span>
                )}{' '}
                CPUs
              </>
            )}
          </p>
          <Chips view={view} change={change} />
        </div>
        <div className={cpus.busy ? `${styles.loadingBar} ${styles.loading}` : styles.loadingBar} aria-hidden="true" />
        {rows && rows.length > 0 && (
          <Shown rows={rows} view={view} change={change} scale={scale} cpus={cpus} stale={state !== 'online'} />
        )}
        {rows?.length === 0 && <Nothing view={view} change={change} empty={statistics?.total === 0} />}
        {!rows && (cpus.error || (!cpus.busy && state === 'away')) && <Failure error={cpus.error} again={cpus.again} />}
        {!rows && !cpus.error && (cpus.busy || state !== 'away') && <Waiting />}
        {rows && rows.length > 0 && (
          <Pager view={view} change={change} total={cpus.total} shown={rows.length} pageInfo={cpus.pageInfo} />
        )}
      </section>
    </div>
  );
}

/** Return a function that navigates to the address of a changed view. */
function useChange(view: View): Change {
  const navigate = useNavigate({ from: '/' });
  return useCallback(
    (change, { replace = false, keepPage = false } = {}) => {
      const next = keepPage ? { ...view, ...change } : changed(view, change);
      void navigate({ to: '/', search: writeView(next), replace, resetScroll: !replace && !keepPage });
    },
    [navigate, view],
  );
}

function Nothing({ view, change, empty }: { view: View; change: Change; empty: boolean }) {
  if (empty)
    return (
      <State icon="list" title="The catalogue is empty">
        It fills with <code>dealmark import cpus</code>. This page shows what comes in by itself.
      </State>
    );
  return (
    <State
      icon="search"
      title="No CPU is like that"
      actions={<Button onClick={() => change(unfiltered(view))}>Clear all conditions</Button>}
    >
      {view.search ? `Nothing is called “${view.search}” under these conditions.` : 'No CPU meets all conditions.'} A
      CPU that lacks a figure is in no range of it.
    </State>
  );
}

function Waiting() {
  return (
    <div className={`${scroll.region} ${styles.skeleton}`} role="status">
      <span className="visually-hidden">Loading the catalogue</span>
      {Array.from({ length: 14 }, (_, row) => (
        <div key={row} className={styles.skeletonRow} aria-hidden="true">
          {[14, 5, 6, 5, 6, 8, 8, 3, 4].map((width, column) => (
            <span
              key={column}
              className={skeletons.skeleton}
              style={{ width: `${width - ((row * 7 + column * 3) % 3)}em` }}
            />
          ))}
        </div>
      ))}
    </div>
  );
}
