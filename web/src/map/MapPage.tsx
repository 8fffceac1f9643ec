import { Toggle } from '@base-ui/react/toggle';
import { ToggleGroup } from '@base-ui/react/toggle-group';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { lazy, Suspense, useCallback, useDeferredValue, useEffect, useMemo } from 'react';
import { useQuery } from 'urql';
import { useConnection } from '../api/connection';
import { ratings, ratingLabels } from '../cpu/ratings';
import { shortCpuName, formatUsd, formatUsdPerMark, formatInteger } from '../lib/format';
import { PriceMapDocument } from '../gql/graphql';
import { Button } from '../ui/Button';
import { LoadError, EmptyState } from '../ui/State';
import { markLabels } from './labels';
import {
  countBy,
  filterPoints,
  paretoFrontier,
  withMark,
  type MapPoint,
  readMapView,
  type MapView,
  writeMapView,
} from './points';
import { Marker } from './Marker';
import panels from '../ui/Panel.module.css';
import skeletons from '../ui/Skeleton.module.css';
import forms from '../ui/forms.module.css';
import styles from './MapPage.module.css';

const Scatter = lazy(() => import('./Scatter'));

export function MapPage() {
  const search = useSearch({ from: '/map' });
  const view = useMemo(() => readMapView(search), [search]);
  const navigate = useNavigate();
  const change = useCallback(
    (changes: Partial<MapView>) =>
      void navigate({ to: '/map', search: writeMapView({ ...view, ...changes }), resetScroll: false }),
    [navigate, view],
  );
  const [{ data, error, fetching }, refetch] = useQuery({ query: PriceMapDocument });
  const { state } = useConnection();
  useEffect(() => {
    document.title = 'Price and performance – Dealmark';
  }, []);
  const pricePoints = data?.priceMap;
  return (
    <div className={`page ${styles.page}`}>
      <header className={styles.top}>
        <h1>Price and performance</h1>
        <p className="muted">
          Each CPU at its good price. Any CPU that is faster than one on the line also costs more.
        </p>
      </header>
      {pricePoints && pricePoints.length > 0 && <MapContent pricePoints={pricePoints} view={view} change={change} />}
      {pricePoints?.length === 0 && (
        <EmptyState icon="list" title="No CPU has a price yet">
          CPUs appear here when they have listings.
        </EmptyState>
      )}
      {!pricePoints && (error || (state === 'offline' && !fetching)) && (
        <LoadError error={error} onRetry={() => refetch({ requestPolicy: 'network-only' })} />
      )}
      {!pricePoints && !error && (fetching || state !== 'offline') && (
        <div role="status">
          <span className="visually-hidden">Loading the map</span>
          <div className={`${styles.controls} ${styles.controlsSkeleton}`} aria-hidden="true" />
          <div className={styles.columns}>
            <ChartSkeleton />
            <ChartSkeleton />
          </div>
        </div>
      )}
    </div>
  );
}

const ChartSkeleton = () => (
  <div className={`${panels.panel} ${styles.skeleton} ${skeletons.skeleton}`} aria-hidden="true" />
);

function MapContent({
  pricePoints,
  view,
  change,
}: {
  pricePoints: readonly PricePoint[];
  view: MapView;
  change: (changes: Partial<MapView>) => void;
}) {
  const allPoints = useMemo(() => withMark([...pricePoints], view.mark), [pricePoints, view.mark]);
  const points = useMemo(() => filterPoints(allPoints, view), [allPoints, view]);
  const frontier = useMemo(() => paretoFrontier(points), [points]);
  const drawnPoints = useDeferredValue(points);
  return (
    <>
      <Controls allPoints={allPoints} view={view} change={change} />
      <p role="status" className={styles.count}>
        <strong className="number">{formatInteger(points.length)}</strong>
        {points.length !== allPoints.length && (
          <span className="muted number"> of {formatInteger(allPoints.length)}</span>
        )}{' '}
        CPUs, <strong className="number">{formatInteger(frontier.length)}</strong> on the line
      </p>
      <div className={styles.columns}>
        <div className={`${panels.panel} ${styles.picture}`}>
          {points.length === 0 ? (
            <EmptyState
              icon="filter"
              title="No CPU matches"
              actions={<Button onClick={() => change({ manufacturers: [], ratings: [] })}>Show all</Button>}
            >
              No CPU of these manufacturers has one of these ratings.
            </EmptyState>
          ) : (
            <Suspense fallback={<div className={`${skeletons.skeleton} ${styles.skeleton}`} />}>
              <Scatter points={drawnPoints} domain={allPoints} view={view} />
            </Suspense>
          )}
        </div>
        <FrontierTable points={frontier} view={view} />
      </div>
    </>
  );
}

type PricePoint = Parameters<typeof withMark>[0][number];

/** Filters of the map, which are its legend as well: each rating with its marker and its number of CPUs. */
function Controls({
  allPoints,
  view,
  change,
}: {
  allPoints: MapPoint[];
  view: MapView;
  change: (changes: Partial<MapView>) => void;
}) {
  const manufacturerCounts = useMemo(
    () => [...countBy(allPoints, (point) => point.manufacturer)].sort(([, one], [, other]) => other - one),
    [allPoints],
  );
  const countsByRating = useMemo(() => countBy(allPoints, (point) => point.rating), [allPoints]);
  return (
    <div className={styles.controls}>
      <ToggleGroup
        className={forms.segments}
        aria-label="Mark"
        value={[view.mark]}
        onValueChange={([mark]) => mark && change({ mark: mark as MapView['mark'] })}
      >
        <Toggle value="multi" className={forms.segment}>
          Multi-thread
        </Toggle>
        <Toggle value="single" className={forms.segment}>
          Single-thread
        </Toggle>
      </ToggleGroup>
      <ToggleGroup
        className={styles.toggles}
        aria-label="Ratings"
        multiple
        value={view.ratings}
        onValueChange={(value) => change({ ratings: value as MapView['ratings'] })}
      >
        {ratings.map((rating) => (
          <Toggle key={rating} value={rating} className={styles.toggle}>
            <Marker rating={rating} />
            {ratingLabels[rating]}{' '}
            <span className={`${styles.toggleCount} number`}>{formatInteger(countsByRating.get(rating) ?? 0)}</span>
          </Toggle>
        ))}
      </ToggleGroup>
      <ToggleGroup
        className={styles.toggles}
        aria-label="Manufacturers"
        multiple
        value={view.manufacturers}
        onValueChange={(value) => change({ manufacturers: value })}
      >
        {manufacturerCounts.slice(0, 6).map(([manufacturer, count]) => (
          <Toggle key={manufacturer} value={manufacturer} className={styles.toggle}>
            {manufacturer} <span className={`${styles.toggleCount} number`}>{formatInteger(count)}</span>
          </Toggle>
        ))}
      </ToggleGroup>
    </div>
  );
}

/** Table of the frontier, cheapest first. It makes the points reachable without a pointer. */
function FrontierTable({ points, view }: { points: MapPoint[]; view: MapView }) {
  return (
    <section className={`${panels.panel} ${styles.frontier}`} aria-labelledby="best-title">
      <h2 id="best-title">On the line</h2>
      <div className={styles.frontierScroll} role="region" aria-label="CPUs on the line" tabIndex={0}>
        <table>
          <caption className="visually-hidden">
            CPUs on the line of best price for their {markLabels[view.mark]}, cheapest first
          </caption>
          <thead>
            <tr>
              <th scope="col">CPU</th>
              <th scope="col">Price</th>
              <th scope="col">Mark</th>
              <th scope="col">$ / mark</th>
            </tr>
          </thead>
          <tbody>
            {points.map((point) => (
              <tr key={point.slug} aria-current={point.slug === view.cpu || undefined}>
                <th scope="row">
                  <Link to="/cpu/$slug" params={{ slug: point.slug }} title={point.name}>
                    {shortCpuName(point.name)}
                  </Link>
                </th>
                <td className="number">{formatUsd(point.price)}</td>
                <td className="number">{formatInteger(point.mark)}</td>
                <td className="number">{formatUsdPerMark(point.price / point.mark)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
