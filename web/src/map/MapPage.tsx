import { Toggle } from '@base-ui/react/toggle';
import { ToggleGroup } from '@base-ui/react/toggle-group';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { lazy, Suspense, useCallback, useDeferredValue, useEffect, useMemo } from 'react';
import { useQuery } from 'urql';
import { useConnection } from '../api/connection';
import { ratings, ratingWords } from '../cpu/ratings';
import { shortName, usd, usdPerMark, whole } from '../lib/format';
import { PriceMapDocument } from '../gql/graphql';
import { Button } from '../ui/Button';
import { Failure, State } from '../ui/State';
import { markLabels } from './labels';
import { countBy, filtered, frontier, marked, type Point, readView, type View, writeView } from './points';
import { Shape } from './Marker';
import panels from '../ui/Panel.module.css';
import skeletons from '../ui/Skeleton.module.css';
import forms from '../ui/forms.module.css';
import styles from './MapPage.module.css';

const Scatter = lazy(() => import('./Scatter'));

export function MapPage() {
  const search = useSearch({ from: '/map' });
  const view = useMemo(() => readView(search), [search]);
  const navigate = useNavigate();
  const change = useCallback(
    (part: Partial<View>) => void navigate({ to: '/map', search: writeView({ ...view, ...part }), resetScroll: false }),
    [navigate, view],
  );
  const [{ data, error, fetching }, run] = useQuery({ query: PriceMapDocument });
  const { state } = useConnection();
  useEffect(() => {
    document.title = 'Price and performance – Dealmark';
  }, []);
  const given = data?.priceMap;
  return (
    <div className={`page ${styles.page}`}>
      <header className={styles.top}>
        <h1>Price and performance</h1>
        <p className="muted">
          Each CPU at its good price. Those on the line give the most performance for their money: whatever is faster
          costs more.
        </p>
      </header>
      {given && given.length > 0 && <Mapped given={given} view={view} change={change} />}
      {given?.length === 0 && (
        <State icon="list" title="No CPU has a price yet">
          Points appear here by themselves when listings come in.
        </State>
      )}
      {!given && (error || (state === 'away' && !fetching)) && (
        <Failure error={error} again={() => run({ requestPolicy: 'network-only' })} />
      )}
      {!given && !error && (fetching || state !== 'away') && (
        <div role="status">
          <span className="visually-hidden">Loading the map</span>
          <div className={`${styles.controls} ${styles.controlsSkeleton}`} aria-hidden="true" />
          <div className={styles.columns}>
            <Blank />
            <Blank />
          </div>
        </div>
      )}
    </div>
  );
}

const Blank = () => <div className={`${panels.panel} ${styles.skeleton} ${skeletons.skeleton}`} aria-hidden="true" />;

function Mapped({
  given,
  view,
  change,
}: {
  given: readonly Given[];
  view: View;
  change: (part: Partial<View>) => void;
}) {
  const all = useMemo(() => marked([...given], view.mark), [given, view.mark]);
  const points = useMemo(() => filtered(all, view), [all, view]);
  const best = useMemo(() => frontier(points), [points]);
  const shown = useDeferredValue(points);
  return (
    <>
      <Controls all={all} view={view} change={change} />
      <p role="status" className={styles.count}>
        <strong className="number">{whole(points.length)}</strong>
        {points.length !== all.length && <span className="muted number"> of {whole(all.length)}</span>} CPUs,{' '}
        <strong className="number">{whole(best.length)}</strong> on the line
      </p>
      <div className={styles.columns}>
        <div className={`${panels.panel} ${styles.picture}`}>
          {points.length === 0 ? (
            <State
              icon="filter"
              title="No CPU is like that"
              actions={<Button onClick={() => change({ makers: [], ratings: [] })}>Show all</Button>}
            >
              None of these makers has a CPU with such a rating on offer.
            </State>
          ) : (
            <Suspense fallback={<div className={`${skeletons.skeleton} ${styles.skeleton}`} />}>
              <Scatter points={shown} domain={all} view={view} />
            </Suspense>
          )}
        </div>
        <Best points={best} view={view} />
      </div>
    </>
  );
}

type Given = Parameters<typeof marked>[0][number];

/** The filters are the legend as well: each rating with its shape, each with how many. */
function Controls({ all, view, change }: { all: Point[]; view: View; change: (part: Partial<View>) => void }) {
  const makers = useMemo(
    () => [...countBy(all, (point) => point.manufacturer)].sort(([, one], [, other]) => other - one),
    [all],
  );
  const rated = useMemo(() => countBy(all, (point) => point.rating), [all]);
  return (
    <div className={styles.controls}>
      <ToggleGroup
        className={forms.segments}
        aria-label="Which mark"
        value={[view.mark]}
        onValueChange={([mark]) => mark && change({ mark: mark as View['mark'] })}
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
        onValueChange={(value) => change({ ratings: value as View['ratings'] })}
      >
        {ratings.map((each) => (
          <Toggle key={each} value={each} className={styles.toggle}>
            <Shape rating={each} />
            {ratingWords[each]} <span className={`${styles.toggleCount} number`}>{whole(rated.get(each) ?? 0)}</span>
          </Toggle>
        ))}
      </ToggleGroup>
      <ToggleGroup
        className={styles.toggles}
        aria-label="Makers"
        multiple
        value={view.makers}
        onValueChange={(value) => change({ makers: value })}
      >
        {makers.slice(0, 6).map(([maker, count]) => (
          <Toggle key={maker} value={maker} className={styles.toggle}>
            {maker} <span className={`${styles.toggleCount} number`}>{whole(count)}</span>
          </Toggle>
        ))}
      </ToggleGroup>
    </div>
  );
}

/** The line as a table, cheapest first: also the way to its points without a pointer. */
function Best({ points, view }: { points: Point[]; view: View }) {
  return (
    <section className={`${panels.panel} ${styles.frontier}`} aria-labelledby="best-title">
      <h2 id="best-title">On the line</h2>
      <div className={styles.frontierScroll} role="region" aria-label="CPUs on the line" tabIndex={0}>
        <table>
          <caption className="visually-hidden">
            CPUs that are on the line of price and {markLabels[view.mark]}, cheapest first
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
                    {shortName(point.name)}
                  </Link>
                </th>
                <td className="number">{usd(point.price)}</td>
                <td className="number">{whole(point.mark)}</td>
                <td className="number">{usdPerMark(point.price / point.mark)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
