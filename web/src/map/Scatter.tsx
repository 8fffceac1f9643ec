// Chart of the map. All points of a rating are one path, so thousands of points are five elements. What moves with the
// cursor is in a layer above.
import { useNavigate } from '@tanstack/react-router';
import { scaleLog } from '@visx/scale';
import { Delaunay } from '@visx/vendor/d3-delaunay';
import { useCallback, useMemo } from 'react';
import { LeftAxis, BottomAxis } from '../charts/Axes';
import { Chart, type ChartSize } from '../charts/Chart';
import { ratings, ratingLabels } from '../cpu/ratings';
import { formatInteger, formatShortUsd, formatUsd, formatUsdPerMark, shortCpuName } from '../lib/format';
import { markLabels } from './labels';
import { paretoFrontier, type MapPoint, type MapView } from './points';
import { markerPath } from './markers';
import charts from '../charts/Chart.module.css';
import markers from './Marker.module.css';
import styles from './Scatter.module.css';

const MARGIN = { top: 26, right: 14, bottom: 40, left: 50 };
const POINTER_REACH = 32; // in px: largest distance between the pointer and the point it selects
const ratingGroups = [...ratings.toReversed(), null];

export default function Scatter({ points, domain, view }: { points: MapPoint[]; domain: MapPoint[]; view: MapView }) {
  const navigate = useNavigate();
  const frontier = useMemo(() => paretoFrontier(points), [points]);
  // The frontier comes first, because the keyboard moves along it.
  const ordered = useMemo(() => {
    const onFrontier = new Set(frontier);
    return [...frontier, ...points.filter((point) => !onFrontier.has(point))];
  }, [frontier, points]);
  const scales = useMemo(() => createScales(domain), [domain]);
  const nearest = useMemo(() => createPointFinder(ordered, scales), [ordered, scales]);
  const highlighted = points.find((point) => point.slug === view.cpu);
  const markLabel = markLabels[view.mark];

  const drawChart = useCallback(
    (size: ChartSize) => {
      const { x, y } = scales(size);
      const isNarrow = size.width < 560;
      return (
        <>
          <LeftAxis
            scale={y}
            ticks={powerTicks(y.domain(), false)}
            format={formatInteger}
            left={MARGIN.left}
            right={size.width - MARGIN.right}
          />
          {powerTicks(x.domain(), isNarrow).map((tick) => (
            <line
              key={tick}
              className={charts.gridLine}
              x1={x(tick)}
              x2={x(tick)}
              y1={MARGIN.top}
              y2={size.height - MARGIN.bottom}
            />
          ))}
          <BottomAxis
            scale={x}
            ticks={powerTicks(x.domain(), isNarrow)}
            format={formatShortUsd}
            top={size.height - MARGIN.bottom}
          />
          <text className={charts.axisTitle} x={0} y={11}>
            {markLabel[0]?.toUpperCase()}
            {markLabel.slice(1)}
          </text>
          <text className={charts.axisTitle} x={size.width - MARGIN.right} y={size.height - 4} textAnchor="end">
            Good price, USD
          </text>
          {ratingGroups.map((rating) => {
            const valueOf = points.filter((point) => point.rating === rating);
            const radius = markerRadius(points.length, isNarrow);
            return (
              <path
                key={rating ?? 'none'}
                className={`${markers.points} ${markers[rating?.toLowerCase() ?? 'unrated']}`}
                d={valueOf.map((point) => markerPath(rating, x(point.price), y(point.mark), radius)).join('')}
              />
            );
          })}
          <path className={styles.frontierLine} d={frontierPath(frontier, x, y)} />
          {frontier.map((point) => (
            <path
              key={point.slug}
              data-testid="frontier-point"
              className={`${markers.frontierPoint} ${markers.points} ${markers[point.rating?.toLowerCase() ?? 'unrated']}`}
              d={markerPath(point.rating, x(point.price), y(point.mark), 1.5 + markerRadius(points.length, isNarrow))}
            />
          ))}
          {highlighted && (
            <HighlightedPoint point={highlighted} x={x(highlighted.price)} y={y(highlighted.mark)} size={size} />
          )}
        </>
      );
    },
    [frontier, highlighted, points, scales, markLabel],
  );

  return (
    <Chart
      height="var(--map-height)"
      summary={summarizeChart(points, frontier, markLabel)}
      cursor={{
        count: ordered.length,
        keyboardCount: frontier.length,
        label: 'CPUs on the line, cheapest first; Enter opens one',
        valueText: (index) => {
          const point = ordered[index];
          return point
            ? `${shortCpuName(point.name)}: ${formatUsd(point.price)}, ${markLabel} ${formatInteger(point.mark)}`
            : '';
        },
        position: (index, size) => {
          const { x, y } = scales(size);
          const point = ordered[index];
          return point ? { x: x(point.price), y: y(point.mark) } : { x: 0, y: 0 };
        },
        nearest,
        tooltip: (index) => {
          const point = ordered[index];
          return point && <PointTip point={point} onFrontier={index < frontier.length} markLabel={markLabel} />;
        },
        onOpen: (index) => {
          const slug = ordered[index]?.slug;
          if (slug) void navigate({ to: '/cpu/$slug', params: { slug } });
        },
      }}
      overlay={(index, size) => {
        const { x, y } = scales(size);
        const point = ordered[index];
        return point && <circle className={styles.focusRing} cx={x(point.price)} cy={y(point.mark)} r={7} />;
      }}
    >
      {drawChart}
    </Chart>
  );
}

function HighlightedPoint({ point, x, y, size }: { point: MapPoint; x: number; y: number; size: ChartSize }) {
  const isRightHalf = x > size.width / 2;
  return (
    <>
      <circle className={styles.focusRing} cx={x} cy={y} r={8} />
      <text
        className={charts.pointLabel}
        x={isRightHalf ? x - 12 : x + 12}
        y={y + 4}
        textAnchor={isRightHalf ? 'end' : 'start'}
      >
        {shortCpuName(point.name)}
      </text>
    </>
  );
}

function PointTip({ point, onFrontier, markLabel }: { point: MapPoint; onFrontier: boolean; markLabel: string }) {
  return (
    <>
      <strong>{shortCpuName(point.name)}</strong>
      <dl>
        <dt>Good price</dt>
        <dd>{formatUsd(point.price)}</dd>
        <dt>Mark</dt>
        <dd>{formatInteger(point.mark)}</dd>
        <dt>$ per mark</dt>
        <dd title={markLabel}>{formatUsdPerMark(point.price / point.mark)}</dd>
        {point.rating && (
          <>
            <dt>Value</dt>
            <dd>{ratingLabels[point.rating]}</dd>
          </>
        )}
      </dl>
      {onFrontier && <span className={styles.onFrontier}>On the line</span>}
    </>
  );
}

type Scales = ReturnType<typeof createScales>;

/** Return logarithmic scales over all points: a filter does not change the axes. */
function createScales(points: MapPoint[]) {
  const extent = (valueOf: (point: MapPoint) => number, padding: number): [number, number] => {
    let low = Number.POSITIVE_INFINITY;
    let high = 0;
    for (const point of points) {
      low = Math.min(low, valueOf(point));
      high = Math.max(high, valueOf(point));
    }
    return [low / padding, high * padding];
  };
  const prices = extent((point) => point.price, 1.25);
  const marks = extent((point) => point.mark, 1.15);
  return ({ width, height }: ChartSize) => ({
    x: scaleLog<number>({ domain: prices, range: [MARGIN.left, Math.max(MARGIN.left + 1, width - MARGIN.right)] }),
    y: scaleLog<number>({ domain: marks, range: [height - MARGIN.bottom, MARGIN.top] }),
  });
}

/** Return a function that finds the nearest point. The triangulation is built once per chart size. */
function createPointFinder(points: MapPoint[], scales: Scales) {
  let cached:
    | { key: string; delaunay: Delaunay<MapPoint>; x: (value: number) => number; y: (value: number) => number }
    | undefined;
  return (px: number, py: number, size: ChartSize): number | undefined => {
    const key = `${size.width} ${size.height}`;
    if (cached?.key !== key) {
      const { x, y } = scales(size);
      const delaunay = Delaunay.from(
        points,
        (point) => x(point.price),
        (point) => y(point.mark),
      );
      cached = { key, delaunay, x, y };
    }
    const index = cached.delaunay.find(px, py);
    const point = points[index];
    if (!point) return undefined;
    return Math.hypot(cached.x(point.price) - px, cached.y(point.mark) - py) <= POINTER_REACH ? index : undefined;
  };
}

/** Radius of a marker in px, smaller for many points. */
const markerRadius = (count: number, isNarrow: boolean) =>
  count > 1_500 ? 2.2 : isNarrow ? 2.4 : count > 400 ? 3 : 3.8;

/** Path of the frontier: steps from each point to the next. */
function frontierPath(points: MapPoint[], x: (value: number) => number, y: (value: number) => number): string {
  return points
    .map((point, index) =>
      index === 0 ? `M${x(point.price)} ${y(point.mark)}` : `H${x(point.price)}V${y(point.mark)}`,
    )
    .join('');
}

/** Return 1, 2 and 5 times each power of ten, or the powers alone on narrow charts. */
function powerTicks([low = 1, high = 1]: number[], powersOnly: boolean): number[] {
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1)
    for (const step of powersOnly ? [1] : [1, 2, 5]) {
      const tick = step * 10 ** power;
      if (tick >= low && tick <= high) ticks.push(tick);
    }
  return ticks;
}

function summarizeChart(points: MapPoint[], frontier: MapPoint[], markLabel: string): string {
  const [first, last] = [frontier[0], frontier.at(-1)];
  const describePoint = (point: MapPoint | undefined) =>
    point ? `${shortCpuName(point.name)} (${formatUsd(point.price)}, ${formatInteger(point.mark)})` : '';
  return `${formatInteger(points.length)} CPUs by price and ${markLabel}, both axes logarithmic. ${formatInteger(frontier.length)} are on the line of best value, from ${describePoint(first)} to ${describePoint(last)}. The table lists all of them.`;
}
