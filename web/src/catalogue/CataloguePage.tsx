import { useNavigate, useSearch } from '@tanstack/react-router';
import { lazy, Suspense, useCallback, useDeferredValue, useEffect, useMemo } from 'react';
import { useQuery } from 'urql';
import { useConnection } from '../api/connection';
import { formatInteger } from '../lib/format';
import { FilterOptionsDocument } from '../gql/graphql';
import { useMediaQuery } from '../lib/useMediaQuery';
import { Button } from '../ui/Button';
import { LoadError, EmptyState } from '../ui/State';
import { FilterChips } from './FilterChips';
import { Filters } from './Filters';
import { GridView } from './GridView';
import { ListView } from './ListView';
import { Pager } from './Pager';
import { SearchBox } from './SearchBox';
import { SplitView } from './SplitView';
import { LayoutSwitch } from './LayoutSwitch';
import { useCpus } from './useCpus';
import {
  type ChangeView,
  applyChange,
  readCatalogueView,
  withoutFilters,
  type CatalogueView,
  writeCatalogueView,
} from './viewState';
import scroll from './scrollRegion.module.css';
import skeletons from '../ui/Skeleton.module.css';
import styles from './CataloguePage.module.css';

// Popups and the filter sheet are loaded after the page.
const ViewMenu = lazy(() => import('./ViewMenu'));
const FilterSheet = lazy(() => import('./FilterSheet'));

export function CataloguePage() {
  const search = useSearch({ from: '/' });
  const view = useMemo(() => readCatalogueView(search), [search]);
  const change = useChangeView(view);
  const isWide = useMediaQuery('(min-width: 64rem)');
  const [{ data: options }] = useQuery({ query: FilterOptionsDocument });
  const cpus = useCpus(view);
  useEffect(() => {
    // The cursor of the address does not fit its order. Show the first page.
    if (cpus.hasInvalidCursor) change({}, { replace: true });
  }, [cpus.hasInvalidCursor, change]);
  const { state } = useConnection();
  // Typing and sliding stay responsive while a long list renders.
  const rows = useDeferredValue(cpus.rows);
  const statistics = options?.statistics;
  const scale = useMemo(
    () => ({
      multi: Math.max(0, ...(rows ?? []).map((cpu) => cpu.cpuMarkMulti ?? 0)),
      single: Math.max(0, ...(rows ?? []).map((cpu) => cpu.cpuMarkSingle ?? 0)),
    }),
    [rows],
  );

  useEffect(() => {
    document.title = view.search ? `${view.search} – Dealmark` : 'CPUs by value – Dealmark';
  }, [view.search]);

  const LayoutView = { list: ListView, grid: GridView, split: SplitView }[view.layout];
  return (
    <div className={styles.catalogue}>
      {isWide && (
        <aside className={styles.sidebar} aria-label="Filters">
          <Filters view={view} change={change} options={statistics} />
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
              {!isWide && <FilterSheet view={view} change={change} options={statistics} total={cpus.total} />}
              <ViewMenu view={view} change={change} total={cpus.total} />
            </Suspense>
            <LayoutSwitch view={view} change={change} />
          </div>
        </div>
        <div className={styles.summary}>
          <p role="status" className={styles.count}>
            {rows && (
              <>
                <strong className="number">{formatInteger(cpus.total)}</strong>
                {statistics && cpus.total !== statistics.total && (
                  <span className="muted number"> of {formatInteger(statistics.total)}</span>
                )}{' '}
                CPUs
              </>
            )}
          </p>
          <FilterChips view={view} change={change} />
        </div>
        <div
          className={cpus.isLoading ? `${styles.loadingBar} ${styles.loading}` : styles.loadingBar}
          aria-hidden="true"
        />
        {rows && rows.length > 0 && (
          <LayoutView rows={rows} view={view} change={change} scale={scale} cpus={cpus} stale={state !== 'online'} />
        )}
        {rows?.length === 0 && <NoMatches view={view} change={change} catalogueIsEmpty={statistics?.total === 0} />}
        {!rows && (cpus.error || (!cpus.isLoading && state === 'offline')) && (
          <LoadError error={cpus.error} onRetry={cpus.refetch} />
        )}
        {!rows && !cpus.error && (cpus.isLoading || state !== 'offline') && <ListSkeleton />}
        {rows && rows.length > 0 && (
          <Pager view={view} change={change} total={cpus.total} rowCount={rows.length} pageInfo={cpus.pageInfo} />
        )}
      </section>
    </div>
  );
}

/** Return a function that navigates to the address of a changed view. */
function useChangeView(view: CatalogueView): ChangeView {
  const navigate = useNavigate({ from: '/' });
  return useCallback(
    (change, { replace = false, keepPage = false } = {}) => {
      const nextView = keepPage ? { ...view, ...change } : applyChange(view, change);
      void navigate({ to: '/', search: writeCatalogueView(nextView), replace, resetScroll: !replace && !keepPage });
    },
    [navigate, view],
  );
}

function NoMatches({
  view,
  change,
  catalogueIsEmpty,
}: {
  view: CatalogueView;
  change: ChangeView;
  catalogueIsEmpty: boolean;
}) {
  if (catalogueIsEmpty)
    return (
      <EmptyState icon="list" title="The catalogue is empty">
        Import CPUs with <code>dealmark import cpus</code>. They appear here automatically.
      </EmptyState>
    );
  return (
    <EmptyState
      icon="search"
      title="No CPU matches"
      actions={<Button onClick={() => change(withoutFilters(view))}>Clear all filters</Button>}
    >
      {view.search ? `No CPU with these filters has “${view.search}” in its name.` : 'No CPU passes all filters.'} A CPU
      with an unknown value is outside the range.
    </EmptyState>
  );
}

function ListSkeleton() {
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
