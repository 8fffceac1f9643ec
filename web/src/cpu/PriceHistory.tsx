// What a CPU cost over time: the lowest price as steps, the mean as a thin line, and its lows.
import { Toggle } from '@base-ui/react/toggle';
import { ToggleGroup } from '@base-ui/react/toggle-group';
import { scaleLinear, scaleUtc } from '@visx/scale';
import { AreaClosed, LinePath } from '@visx/shape';
import { curveStepAfter } from '@visx/curve';
import { useMemo, useState } from 'react';
import { useQuery } from 'urql';
import { Across, Along } from '../charts/Axes';
import { AsTable, Chart, type Frame } from '../charts/Chart';
import { day, since, usd, whole } from '../lib/format';
import { CpuPricesDocument, type CpuPricesQuery, type PriceInterval, type PriceRange } from '../gql/graphql';
import { Skeleton } from '../ui/State';
import { Panel, PanelError } from '../ui/Panel';
import forms from '../ui/forms.module.css';
import panels from '../ui/Panel.module.css';
import skeletons from '../ui/Skeleton.module.css';
import charts from '../charts/Chart.module.css';
import styles from './PriceHistory.module.css';

type Prices = NonNullable<CpuPricesQuery['cpu']>;
type Point = Prices['priceHistory'][number];
type Lows = Prices['priceLows'];

const HEIGHT = 220;
const ROOM = { top: 20, right: 14, bottom: 24, left: 46 };

const ranges: { value: PriceRange; label: string; words: string; interval: PriceInterval }[] = [
  { value: 'DAYS_30', label: '30 days', words: 'the last 30 days', interval: 'DAY' },
  { value: 'DAYS_90', label: '90 days', words: 'the last 90 days', interval: 'DAY' },
  { value: 'DAYS_365', label: '1 year', words: 'the last year', interval: 'WEEK' },
  { value: 'ALL', label: 'All', words: 'all time', interval: 'WEEK' },
];

export default function History({ slug }: { slug: string }) {
  const [range, setRange] = useState<PriceRange>('DAYS_90');
  const { interval, words } = ranges.find((each) => each.value === range) ?? { interval: 'DAY', words: '' };
  const [{ data, fetching, error }] = useQuery({ query: CpuPricesDocument, variables: { slug, range, interval } });
  const points = data?.cpu?.priceHistory;
  return (
    <Panel
      title="Price history"
      id="history"
      aside={
        <ToggleGroup
          className={`${forms.segments} ${forms.segmentsSmall}`}
          aria-label="How far back"
          value={[range]}
          onValueChange={([value]) => value && setRange(value as PriceRange)}
        >
          {ranges.map(({ value, label }) => (
            <Toggle key={value} value={value} className={forms.segment}>
              {label}
            </Toggle>
          ))}
        </ToggleGroup>
      }
    >
      <LowFigures lows={data?.cpu?.priceLows} />
      <div className={styles.chart} aria-busy={fetching} style={{ minHeight: HEIGHT + 58 }}>
        {points && points.some((point) => point.lowest !== null) && (
          <Drawn points={points} lows={data?.cpu?.priceLows ?? null} words={words} interval={interval} />
        )}
        {points && !points.some((point) => point.lowest !== null) && (
          <p className={`muted ${panels.message}`}>
            {data?.cpu?.priceLows
              ? `It had no price in ${words}. A longer range shows when it had.`
              : 'No price was ever seen. The history begins with the first listing.'}
          </p>
        )}
        {!points && !error && <div className={skeletons.skeleton} style={{ height: HEIGHT }} aria-hidden="true" />}
        {!points && error && <PanelError error={error} />}
      </div>
    </Panel>
  );
}

/** What it costs now, and the lowest it did. */
function LowFigures({ lows }: { lows: Lows | undefined }) {
  if (lows === null) return null;
  const figures = [
    { name: 'Lowest now', value: lows?.current, note: lows?.currentSince && `since ${day(lows.currentSince)}` },
    {
      name: 'Prior 30-day low',
      value: lows?.priorLow30Days?.price,
      note: lows?.priorLow30Days ? compared(lows.current, lows.priorLow30Days.price) : 'no price then',
    },
    { name: '90-day low', value: lows?.low90Days?.price, note: lows?.low90Days && since(lows.low90Days.at) },
    { name: 'All-time low', value: lows?.allTimeLow.price, note: lows && day(lows.allTimeLow.at) },
  ];
  return (
    <dl className={styles.lows}>
      {figures.map(({ name, value, note }) => (
        <div key={name}>
          <dt className="muted">{name}</dt>
          <dd>
            <strong className="number">{lows === undefined ? <Skeleton width={4} /> : usd(value)}</strong>
            <span className="muted">{note || '\u00a0'}</span>
          </dd>
        </div>
      ))}
    </dl>
  );
}

function compared(current: number | null, before: number): string {
  if (current === null) return 'nothing is offered now';
  const share = Math.round((current / before - 1) * 100);
  if (share === 0) return 'as much as now';
  return share < 0 ? `now ${-share} % less` : `now ${share} % more`;
}

function Drawn({
  points,
  lows,
  words,
  interval,
}: {
  points: Point[];
  lows: Lows;
  words: string;
  interval: PriceInterval;
}) {
  const { begin, end, low, high } = useMemo(() => {
    const known = points.flatMap((point) => [point.lowest, point.average]).filter((value) => value !== null);
    return {
      begin: new Date(points[0]?.at ?? 0),
      end: new Date(points.at(-1)?.until ?? 0),
      low: Math.min(...known),
      high: Math.max(...known),
    };
  }, [points]);
  const scales = ({ width }: Frame) => ({
    x: scaleUtc<number>({ domain: [begin, end], range: [ROOM.left, width - ROOM.right] }),
    y: scaleLinear<number>({
      domain: [Math.max(0, low - (high - low) * 0.25 - low * 0.02), high + (high - low) * 0.1 + high * 0.02],
      range: [HEIGHT - ROOM.bottom, ROOM.top],
      nice: true,
    }),
  });
  // A step lasts until the next point; the last one until its end.
  const last = points.at(-1);
  const stepped = last ? [...points, { ...last, at: last.until }] : points;
  const told = (point: Point) =>
    `${span(point, interval)}: ${
      point.lowest === null
        ? 'no price'
        : `lowest ${usd(point.lowest)}, mean ${usd(point.average)}, ${point.listings === 1 ? '1 offer' : `${whole(point.listings)} offers`}`
    }`;
  return (
    <>
      <Chart
        height={HEIGHT}
        summary={summary(points, words, lows)}
        cursor={{
          count: points.length,
          start: points.length - 1,
          label: interval === 'DAY' ? 'Days' : 'Weeks',
          text: (index) => (points[index] ? told(points[index]) : ''),
          at: (index, frame) => {
            const { x, y } = scales(frame);
            const point = points[index];
            return { x: x(middle(point)), y: y(point?.lowest ?? (low + high) / 2) };
          },
          nearest: (x, _y, frame) => {
            const moment = scales(frame).x.invert(x).getTime();
            const found = points.findIndex((point) => Date.parse(point.until) > moment);
            return found < 0 ? points.length - 1 : found;
          },
          tip: (index) => {
            const point = points[index];
            return point && <PointTip point={point} interval={interval} />;
          },
        }}
        overlay={(index, frame) => {
          const { x, y } = scales(frame);
          const point = points[index];
          if (!point) return null;
          const at = x(middle(point));
          return (
            <>
              <line className={charts.cursorLine} x1={at} x2={at} y1={ROOM.top} y2={HEIGHT - ROOM.bottom} />
              {point.average !== null && <circle className={styles.dotAverage} cx={at} cy={y(point.average)} r={3} />}
              {point.lowest !== null && <circle className={styles.dotLowest} cx={at} cy={y(point.lowest)} r={4} />}
            </>
          );
        }}
      >
        {(frame) => {
          const { x, y } = scales(frame);
          const left = (point: Point) => x(new Date(point.at));
          const priced = (of: 'lowest' | 'average') => (point: Point) => point[of] !== null;
          return (
            <>
              <Across scale={y} ticks={y.ticks(4)} format={short} left={ROOM.left} right={frame.width - ROOM.right} />
              <AreaClosed
                className={styles.areaLowest ?? ''}
                data={stepped}
                x={left}
                y={(point) => y(point.lowest ?? 0)}
                defined={priced('lowest')}
                yScale={y}
                curve={curveStepAfter}
              />
              <LinePath
                className={styles.lineAverage ?? ''}
                data={stepped}
                x={left}
                y={(point) => y(point.average ?? 0)}
                defined={priced('average')}
                curve={curveStepAfter}
              />
              <LinePath
                className={styles.lineLowest ?? ''}
                data={stepped}
                x={left}
                y={(point) => y(point.lowest ?? 0)}
                defined={priced('lowest')}
                curve={curveStepAfter}
              />
              <Along
                scale={x}
                ticks={x.ticks(Math.max(2, Math.floor(frame.width / 110)))}
                format={monthly(begin, end)}
                top={HEIGHT - ROOM.bottom}
              />
              <LowMarks lows={lows} x={x} y={y} begin={begin} frame={frame} />
            </>
          );
        }}
      </Chart>
      <ul className={charts.legend}>
        <li>
          <i className={styles.swatchLine} aria-hidden="true" /> Lowest price
        </li>
        <li>
          <i className={`${styles.swatchLine} ${styles.swatchAverage}`} aria-hidden="true" /> Mean of all prices
        </li>
        <li>
          <i className={styles.swatchLow} aria-hidden="true" /> Lows
        </li>
      </ul>
      <AsTable
        caption={`Prices of ${words}`}
        head={[interval === 'DAY' ? 'Day' : 'Week', 'Lowest', 'Mean', 'Offers']}
        rows={points
          .toReversed()
          .map((point) => [span(point, interval), usd(point.lowest), usd(point.average), point.listings])}
      />
    </>
  );
}

function LowMarks({
  lows,
  x,
  y,
  begin,
  frame,
}: {
  lows: Lows;
  x: (at: Date) => number;
  y: (price: number) => number;
  begin: Date;
  frame: Frame;
}) {
  if (!lows) return null;
  // The greatest first: what is the same price at the same moment is told once.
  const named = [
    { name: 'All-time low', low: lows.allTimeLow },
    { name: '90-day low', low: lows.low90Days },
    { name: 'Prior low', low: lows.priorLow30Days },
  ];
  const marks = named.flatMap(({ name, low }) => (low ? [{ ...low, name }] : []));
  const shown = marks.filter(
    (mark, index) =>
      Date.parse(mark.at) >= begin.getTime() &&
      marks.findIndex(({ at, price }) => at === mark.at && price === mark.price) === index,
  );
  const labels: Label[] = [];
  return shown.map((mark) => {
    const [cx, cy] = [x(new Date(mark.at)), y(mark.price)];
    const label = placed(mark.name, cx, cy, frame, labels);
    labels.push(label);
    return (
      <g key={mark.name}>
        <circle className={styles.lowMark} cx={cx} cy={cy} r={4} />
        <text className={charts.pointLabel} x={label.left} y={label.base}>
          {mark.name}
        </text>
      </g>
    );
  });
}

interface Label {
  left: number;
  right: number;
  base: number;
}

const LETTER = 6; // px, about, as labels are drawn

/** Below its point, or above it where another label is already. */
function placed(name: string, x: number, y: number, frame: Frame, others: Label[]): Label {
  const long = name.length * LETTER;
  const left = x + 4 + long > frame.width ? x - 4 - long : x + 4;
  const below = Math.min(y + 15, HEIGHT - ROOM.bottom - 4);
  const taken = others.some(
    (other) => left < other.right && other.left < left + long && Math.abs(other.base - below) < 12,
  );
  return { left, right: left + long, base: taken ? y - 9 : below };
}

function PointTip({ point, interval }: { point: Point; interval: PriceInterval }) {
  return (
    <>
      <strong>{span(point, interval)}</strong>
      {point.lowest === null ? (
        <span className="muted">No price</span>
      ) : (
        <dl>
          <dt>Lowest</dt>
          <dd>{usd(point.lowest)}</dd>
          <dt>Mean</dt>
          <dd>{usd(point.average)}</dd>
          <dt>Offers</dt>
          <dd>{whole(point.listings)}</dd>
        </dl>
      )}
    </>
  );
}

function middle(point: Point | undefined): Date {
  return new Date(point ? (Date.parse(point.at) + Date.parse(point.until)) / 2 : 0);
}

// Intervals begin and end by UTC, wherever it is read.
const utcDay = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' });

function span(point: Point, interval: PriceInterval): string {
  const from = utcDay.format(Date.parse(point.at));
  return interval === 'DAY' ? from : `Week of ${from}`;
}

const short = (value: number) => usd(value).replace('.00', '');

const withDay = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' });
const withYear = new Intl.DateTimeFormat('en-GB', { month: 'short', year: 'numeric', timeZone: 'UTC' });

/** Days where the range is short, months and years where it is long. */
function monthly(begin: Date, end: Date) {
  const format = end.getTime() - begin.getTime() > 200 * 86_400_000 ? withYear : withDay;
  return (at: Date) => format.format(at);
}

function summary(points: Point[], words: string, lows: Lows): string {
  const priced = points.filter((point) => point.lowest !== null);
  const values = priced.map((point) => point.lowest ?? 0);
  const ends = `In ${words} the lowest price went from ${usd(values[0])} to ${usd(values.at(-1))}, between ${usd(Math.min(...values))} and ${usd(Math.max(...values))}.`;
  return lows ? `${ends} All-time low: ${usd(lows.allTimeLow.price)}, on ${day(lows.allTimeLow.at)}.` : ends;
}
