// The map itself. All points of a rating are one path, so thousands of them are five elements; what moves with the cursor
// is a layer above.
import { useNavigate } from '@tanstack/react-router';
import { scaleLog } from '@visx/scale';
import { Delaunay } from '@visx/vendor/d3-delaunay';
import { useCallback, useMemo } from 'react';
import { Across, Along } from '../charts/Axes';
import { Chart, type Frame } from '../charts/Chart';
import { ratings, ratingWords } from '../cpu/ratings';
import { shortName, usd, usdPerMark, whole } from '../lib/format';
import { markLabels } from './labels';
import { frontier, type Point, type View } from './points';
import { outline } from './markers';
import charts from '../charts/Chart.module.css';
import markers from './Marker.module.css';
import styles from './Scatter.module.css';

const ROOM = { top: 26, right: 14, bottom: 40, left: 50 };
const REACH = 32; // px, how far from a point the pointer still means it
const groups = [...ratings.toReversed(), null];

export default function Scatter({ points, domain, view }: { points: Point[]; domain: Point[]; view: View }) {
  const navigate = useNavigate();
  const best = useMemo(() => frontier(points), [points]);
  // The line first: the keyboard goes through that.
  const ordered = useMemo(() => {
    const onLine = new Set(best);
    return [...best, ...points.filter((point) => !onLine.has(point))];
  }, [best, points]);
  const scales = useMemo(() => scaling(domain), [domain]);
  const nearest = useMemo(() => finder(ordered, scales), [ordered, scales]);
  const pointed = points.find((point) => point.slug === view.cpu);
  const words = markLabels[view.mark];

  const draw = useCallback(
    (frame: Frame) => {
      const { x, y } = scales(frame);
      const narrow = frame.width < 560;
      return (
        <>
          <Across
            scale={y}
            ticks={ticks(y.domain(), false)}
            format={whole}
            left={ROOM.left}
            right={frame.width - ROOM.right}
          />
          {ticks(x.domain(), narrow).map((tick) => (
            <line
              key={tick}
              className={charts.gridLine}
              x1={x(tick)}
              x2={x(tick)}
              y1={ROOM.top}
              y2={frame.height - ROOM.bottom}
            />
          ))}
          <Along scale={x} ticks={ticks(x.domain(), narrow)} format={short} top={frame.height - ROOM.bottom} />
          <text className={charts.axisTitle} x={0} y={11}>
            {words[0]?.toUpperCase()}
            {words.slice(1)}
          </text>
          <text className={charts.axisTitle} x={frame.width - ROOM.right} y={frame.height - 4} textAnchor="end">
            Good price, USD
          </text>
          {groups.map((rating) => {
            const of = points.filter((point) => point.rating === rating);
            const size = sizeOf(points.length, narrow);
            return (
              <path
                key={rating ?? 'none'}
                className={`${markers.points} ${markers[rating?.toLowerCase() ?? 'unrated']}`}
                d={of.map((point) => outline(rating, x(point.price), y(point.mark), size)).join('')}
              />
            );
          })}
          <path className={styles.frontierLine} d={steps(best, x, y)} />
          {best.map((point) => (
            <path
              key={point.slug}
              data-testid="frontier-point"
              className={`${markers.frontierPoint} ${markers.points} ${markers[point.rating?.toLowerCase() ?? 'unrated']}`}
              d={outline(point.rating, x(point.price), y(point.mark), 1.5 + sizeOf(points.length, narrow))}
            />
          ))}
          {pointed && <Pointed point={pointed} x={x(pointed.price)} y={y(pointed.mark)} frame={frame} />}
        </>
      );
    },
    [best, pointed, points, scales, words],
  );

  return (
    <Chart
      height="var(--map-height)"
      summary={summary(points, best, words)}
      cursor={{
        count: ordered.length,
        steps: best.length,
        label: 'CPUs on the line, cheapest first; Enter opens one',
        text: (index) => {
          const point = ordered[index];
          return point ? `${shortName(point.name)}: ${usd(point.price)}, ${words} ${whole(point.mark)}` : '';
        },
        at: (index, frame) => {
          const { x, y } = scales(frame);
          const point = ordered[index];
          return point ? { x: x(point.price), y: y(point.mark) } : { x: 0, y: 0 };
        },
        nearest,
        tip: (index) => {
          const point = ordered[index];
          return point && <PointTip point={point} onLine={index < best.length} words={words} />;
        },
        open: (index) => {
          const slug = ordered[index]?.slug;
          if (slug) void navigate({ to: '/cpu/$slug', params: { slug } });
        },
      }}
      overlay={(index, frame) => {
        const { x, y } = scales(frame);
        const point = ordered[index];
        return point && <circle className={styles.focusRing} cx={x(point.price)} cy={y(point.mark)} r={7} />;
      }}
    >
      {draw}
    </Chart>
  );
}

function Pointed({ point, x, y, frame }: { point: Point; x: number; y: number; frame: Frame }) {
  const end = x > frame.width / 2;
  return (
    <>
      <circle className={styles.focusRing} cx={x} cy={y} r={8} />
      <text className={charts.pointLabel} x={end ? x - 12 : x + 12} y={y + 4} textAnchor={end ? 'end' : 'start'}>
        {shortName(point.name)}
      </text>
    </>
  );
}

function PointTip({ point, onLine, words }: { point: Point; onLine: boolean; words: string }) {
  return (
    <>
      <strong>{shortName(point.name)}</strong>
      <dl>
        <dt>Good price</dt>
        <dd>{usd(point.price)}</dd>
        <dt>Mark</dt>
        <dd>{whole(point.mark)}</dd>
        <dt>$ per mark</dt>
        <dd title={words}>{usdPerMark(point.price / point.mark)}</dd>
        {point.rating && (
          <>
            <dt>Value</dt>
            <dd>{ratingWords[point.rating]}</dd>
          </>
        )}
      </dl>
      {onLine && <span className={styles.onFrontier}>On the line</span>}
    </>
  );
}

type Scales = ReturnType<typeof scaling>;

/** Both axes by logarithms, over all points: they stay when points are filtered. */
function scaling(points: Point[]) {
  const ends = (of: (point: Point) => number, room: number): [number, number] => {
    let low = Number.POSITIVE_INFINITY;
    let high = 0;
    for (const point of points) {
      low = Math.min(low, of(point));
      high = Math.max(high, of(point));
    }
    return [low / room, high * room];
  };
  const prices = ends((point) => point.price, 1.25);
  const marks = ends((point) => point.mark, 1.15);
  return ({ width, height }: Frame) => ({
    x: scaleLog<number>({ domain: prices, range: [ROOM.left, Math.max(ROOM.left + 1, width - ROOM.right)] }),
    y: scaleLog<number>({ domain: marks, range: [height - ROOM.bottom, ROOM.top] }),
  });
}

/** Which point is meant, by a triangulation that is made once for each size of the picture. */
function finder(points: Point[], scales: Scales) {
  let made:
    { key: string; delaunay: Delaunay<Point>; x: (of: number) => number; y: (of: number) => number } | undefined;
  return (px: number, py: number, frame: Frame): number | undefined => {
    const key = `${frame.width} ${frame.height}`;
    if (made?.key !== key) {
      const { x, y } = scales(frame);
      const delaunay = Delaunay.from(
        points,
        (point) => x(point.price),
        (point) => y(point.mark),
      );
      made = { key, delaunay, x, y };
    }
    const index = made.delaunay.find(px, py);
    const point = points[index];
    if (!point) return undefined;
    return Math.hypot(made.x(point.price) - px, made.y(point.mark) - py) <= REACH ? index : undefined;
  };
}

/** Many points are smaller, px. */
const sizeOf = (count: number, narrow: boolean) => (count > 1_500 ? 2.2 : narrow ? 2.4 : count > 400 ? 3 : 3.8);

/** From one point of the line to the next: the best mark stays until more is paid. */
function steps(points: Point[], x: (of: number) => number, y: (of: number) => number): string {
  return points
    .map((point, index) =>
      index === 0 ? `M${x(point.price)} ${y(point.mark)}` : `H${x(point.price)}V${y(point.mark)}`,
    )
    .join('');
}

/** 1, 2 and 5 of each power of ten, or 1 alone where those are too many. */
function ticks([low = 1, high = 1]: number[], few: boolean): number[] {
  const found: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1)
    for (const step of few ? [1] : [1, 2, 5]) {
      const tick = step * 10 ** power;
      if (tick >= low && tick <= high) found.push(tick);
    }
  return found;
}

const short = (value: number) => usd(value).replace('.00', '');

function summary(points: Point[], best: Point[], words: string): string {
  const [first, last] = [best[0], best.at(-1)];
  const told = (point: Point | undefined) =>
    point ? `${shortName(point.name)} (${usd(point.price)}, ${whole(point.mark)})` : '';
  return `${whole(points.length)} CPUs by price and ${words}, both axes logarithmic. ${whole(best.length)} are on the line of the best for their price, from ${told(first)} to ${told(last)}. The table tells them all.`;
}
