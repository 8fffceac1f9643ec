// Chart of the prices over time: the lowest price as steps, the mean as a thin line, and the lows as markers.
import { Toggle } from '@base-ui/react/toggle';
import { ToggleGroup } from '@base-ui/react/toggle-group';
import { scaleLinear, scaleUtc } from '@visx/scale';
import { AreaClosed, LinePath } from '@visx/shape';
import { curveStepAfter } from '@visx/curve';
import { useMemo, useState } from 'react';
import { useQuery } from 'urql';
import { LeftAxis, BottomAxis } from '../charts/Axes';
import { DataTable, Chart, type ChartSize } from '../charts/Chart';
import { formatAge, formatDay, formatInteger, formatShortUsd, formatUsd } from '../lib/format';
import { CpuPricesDocument, type CpuPricesQuery, type PriceInterval, type PriceRange } from '../gql/graphql';
import { Skeleton } from '../ui/State';
import { Panel, PanelError } from '../ui/Panel';
import forms from '../ui/forms.module.css';
import panels from '../ui/Panel.module.css';
import skeletons from '../ui/Skeleton.module.css';
import charts from '../charts/Chart.module.css';
import styles from './PriceHistory.module.css';

type Prices = NonNullable<CpuPricesQuery['cpu']>;
type HistoryPoint = Prices['priceHistory'][number];
type PriceLows = Prices['priceLows'];

const HEIGHT = 220;
const MARGIN = { top: 20, right: 14, bottom: 24, left: 46 };

const ranges: { value: PriceRange; label: string; rangeLabel: string; interval: PriceInterval }[] = [
  { value: 'DAYS_30', label: '30 days', rangeLabel: 'the last 30 days', interval: 'DAY' },
  { value: 'DAYS_90', label: '90 days', rangeLabel: 'the last 90 days', interval: 'DAY' },
  { value: 'DAYS_365', label: '1 year', rangeLabel: 'the last year', interval: 'WEEK' },
  { value: 'ALL', label: 'All', rangeLabel: 'all time', interval: 'WEEK' },
];

export default function PriceHistory({ slug }: { slug: string }) {
  const [range, setRange] = useState<PriceRange>('DAYS_90');
  const { interval, rangeLabel } = ranges.find((option) => option.value === range) ?? {
    interval: 'DAY',
    rangeLabel: '',
  };
  const [{ data, fetching, error }] = useQuery({ query: CpuPricesDocument, variables: { slug, range, interval } });
  const points = data?.cpu?.priceHistory;
  return (
    <Panel
      title="Price history"
      id="history"
      aside={
        <ToggleGroup
          className={`${forms.segments} ${forms.segmentsSmall}`}
          aria-label="Range"
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
      <LowPrices lows={data?.cpu?.priceLows} />
      <div className={styles.chart} aria-busy={fetching} style={{ minHeight: HEIGHT + 58 }}>
        {points && points.some((point) => point.lowest !== null) && (
          <HistoryChart
            points={points}
            lows={data?.cpu?.priceLows ?? null}
            rangeLabel={rangeLabel}
            interval={interval}
          />
        )}
        {points && !points.some((point) => point.lowest !== null) && (
          <p className={`muted ${panels.message}`}>
            {data?.cpu?.priceLows
              ? `No price in ${rangeLabel}. Choose a longer range to see earlier prices.`
              : 'No prices yet. The history begins with the first listing.'}
          </p>
        )}
        {!points && !error && <div className={skeletons.skeleton} style={{ height: HEIGHT }} aria-hidden="true" />}
        {!points && error && <PanelError error={error} />}
      </div>
    </Panel>
  );
}

/** The current lowest price and the lows. */
function LowPrices({ lows }: { lows: PriceLows | undefined }) {
  if (lows === null) return null;
  const entries = [
    { name: 'Lowest now', value: lows?.current, note: lows?.currentSince && `since ${formatDay(lows.currentSince)}` },
    {
      name: 'Prior 30-day low',
      value: lows?.priorLow30Days?.price,
      note: lows?.priorLow30Days ? compareWithCurrent(lows.current, lows.priorLow30Days.price) : 'no price then',
    },
    { name: '90-day low', value: lows?.low90Days?.price, note: lows?.low90Days && formatAge(lows.low90Days.at) },
    { name: 'All-time low', value: lows?.allTimeLow.price, note: lows && formatDay(lows.allTimeLow.at) },
  ];
  return (
    <dl className={styles.lows}>
      {entries.map(({ name, value, note }) => (
        <div key={name}>
          <dt className="muted">{name}</dt>
          <dd>
            <strong className="number">{lows === undefined ? <Skeleton width={4} /> : formatUsd(value)}</strong>
            <span className="muted">{note || '\u00a0'}</span>
          </dd>
        </div>
      ))}
    </dl>
  );
}

function compareWithCurrent(current: number | null, previous: number): string {
  if (current === null) return 'no listings now';
  const percentChange = Math.round((current / previous - 1) * 100);
  if (percentChange === 0) return 'same as now';
  return percentChange < 0 ? `now ${-percentChange} % less` : `now ${percentChange} % more`;
}

function HistoryChart({
  points,
  lows,
  rangeLabel,
  interval,
}: {
  points: HistoryPoint[];
  lows: PriceLows;
  rangeLabel: string;
  interval: PriceInterval;
}) {
  const {
    begin: start,
    end,
    low,
    high,
  } = useMemo(() => {
    const prices = points.flatMap((point) => [point.lowest, point.average]).filter((value) => value !== null);
    return {
      begin: new Date(points[0]?.at ?? 0),
      end: new Date(points.at(-1)?.until ?? 0),
      low: Math.min(...prices),
      high: Math.max(...prices),
    };
  }, [points]);
  const scales = ({ width }: ChartSize) => ({
    x: scaleUtc<number>({ domain: [start, end], range: [MARGIN.left, width - MARGIN.right] }),
    y: scaleLinear<number>({
      domain: [Math.max(0, low - (high - low) * 0.25 - low * 0.02), high + (high - low) * 0.1 + high * 0.02],
      range: [HEIGHT - MARGIN.bottom, MARGIN.top],
      nice: true,
    }),
  });
  // A step lasts until the next point; the last one lasts until its end.
  const last = points.at(-1);
  const stepPoints = last ? [...points, { ...last, at: last.until }] : points;
  const describePoint = (point: HistoryPoint) =>
    `${intervalLabel(point, interval)}: ${
      point.lowest === null
        ? 'no price'
        : `lowest ${formatUsd(point.lowest)}, mean ${formatUsd(point.average)}, ${point.listings === 1 ? '1 listing' : `${formatInteger(point.listings)} listings`}`
    }`;
  return (
    <>
      <Chart
        height={HEIGHT}
        summary={summarizeChart(points, rangeLabel, lows)}
        cursor={{
          count: points.length,
          startIndex: points.length - 1,
          label: interval === 'DAY' ? 'Days' : 'Weeks',
          valueText: (index) => (points[index] ? describePoint(points[index]) : ''),
          position: (index, size) => {
            const { x, y } = scales(size);
            const point = points[index];
            return { x: x(middleOf(point)), y: y(point?.lowest ?? (low + high) / 2) };
          },
          nearest: (x, _y, size) => {
            const moment = scales(size).x.invert(x).getTime();
            const index = points.findIndex((point) => Date.parse(point.until) > moment);
            return index < 0 ? points.length - 1 : index;
          },
          tooltip: (index) => {
            const point = points[index];
            return point && <PointTip point={point} interval={interval} />;
          },
        }}
        overlay={(index, size) => {
          const { x, y } = scales(size);
          const point = points[index];
          if (!point) return null;
          const at = x(middleOf(point));
          return (
            <>
              <line className={charts.cursorLine} x1={at} x2={at} y1={MARGIN.top} y2={HEIGHT - MARGIN.bottom} />
              {point.average !== null && <circle className={styles.dotAverage} cx={at} cy={y(point.average)} r={3} />}
              {point.lowest !== null && <circle className={styles.dotLowest} cx={at} cy={y(point.lowest)} r={4} />}
            </>
          );
        }}
      >
        {(size) => {
          const { x, y } = scales(size);
          const left = (point: HistoryPoint) => x(new Date(point.at));
          const hasPrice = (of: 'lowest' | 'average') => (point: HistoryPoint) => point[of] !== null;
          return (
            <>
              <LeftAxis
                scale={y}
                ticks={y.ticks(4)}
                format={formatShortUsd}
                left={MARGIN.left}
                right={size.width - MARGIN.right}
              />
              <AreaClosed
                className={styles.areaLowest ?? ''}
                data={stepPoints}
                x={left}
                y={(point) => y(point.lowest ?? 0)}
                defined={hasPrice('lowest')}
                yScale={y}
                curve={curveStepAfter}
              />
              <LinePath
                className={styles.lineAverage ?? ''}
                data={stepPoints}
                x={left}
                y={(point) => y(point.average ?? 0)}
                defined={hasPrice('average')}
                curve={curveStepAfter}
              />
              <LinePath
                className={styles.lineLowest ?? ''}
                data={stepPoints}
                x={left}
                y={(point) => y(point.lowest ?? 0)}
                defined={hasPrice('lowest')}
                curve={curveStepAfter}
              />
              <BottomAxis
                scale={x}
                ticks={x.ticks(Math.max(2, Math.floor(size.width / 110)))}
                format={dateTickFormat(start, end)}
                top={HEIGHT - MARGIN.bottom}
              />
              <LowMarkers lows={lows} x={x} y={y} start={start} size={size} />
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
      <DataTable
        caption={`Prices of ${rangeLabel}`}
        columns={[interval === 'DAY' ? 'Day' : 'Week', 'Lowest', 'Mean', 'Listings']}
        rows={points
          .toReversed()
          .map((point) => [
            intervalLabel(point, interval),
            formatUsd(point.lowest),
            formatUsd(point.average),
            point.listings,
          ])}
      />
    </>
  );
}

function LowMarkers({
  lows,
  x,
  y,
  start,
  size,
}: {
  lows: PriceLows;
  x: (at: Date) => number;
  y: (price: number) => number;
  start: Date;
  size: ChartSize;
}) {
  if (!lows) return null;
  // Lows that coincide get one marker, with the name of the longest period.
  const candidates = [
    { name: 'All-time low', low: lows.allTimeLow },
    { name: '90-day low', low: lows.low90Days },
    { name: 'Prior low', low: lows.priorLow30Days },
  ];
  const markers = candidates.flatMap(({ name, low }) => (low ? [{ ...low, name }] : []));
  const visibleMarkers = markers.filter(
    (mark, index) =>
      Date.parse(mark.at) >= start.getTime() &&
      markers.findIndex(({ at, price }) => at === mark.at && price === mark.price) === index,
  );
  const labels: Label[] = [];
  return visibleMarkers.map((mark) => {
    const [cx, cy] = [x(new Date(mark.at)), y(mark.price)];
    const label = placeLabel(mark.name, cx, cy, size, labels);
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

const LETTER_WIDTH = 6; // approximate width of a letter, in px

/** Place a label below its point, or above it if another label is there. */
function placeLabel(name: string, x: number, y: number, size: ChartSize, otherLabels: Label[]): Label {
  const width = name.length * LETTER_WIDTH;
  const left = x + 4 + width > size.width ? x - 4 - width : x + 4;
  const below = Math.min(y + 15, HEIGHT - MARGIN.bottom - 4);
  const overlaps = otherLabels.some(
    (other) => left < other.right && other.left < left + width && Math.abs(other.base - below) < 12,
  );
  return { left, right: left + width, base: overlaps ? y - 9 : below };
}

function PointTip({ point, interval }: { point: HistoryPoint; interval: PriceInterval }) {
  return (
    <>
      <strong>{intervalLabel(point, interval)}</strong>
      {point.lowest === null ? (
        <span className="muted">No price</span>
      ) : (
        <dl>
          <dt>Lowest</dt>
          <dd>{formatUsd(point.lowest)}</dd>
          <dt>Mean</dt>
          <dd>{formatUsd(point.average)}</dd>
          <dt>Listings</dt>
          <dd>{formatInteger(point.listings)}</dd>
        </dl>
      )}
    </>
  );
}

function middleOf(point: HistoryPoint | undefined): Date {
  return new Date(point ? (Date.parse(point.at) + Date.parse(point.until)) / 2 : 0);
}

// Intervals begin and end in UTC, independent of the browser's time zone.
const utcDay = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' });

function intervalLabel(point: HistoryPoint, interval: PriceInterval): string {
  const from = utcDay.format(Date.parse(point.at));
  return interval === 'DAY' ? from : `Week of ${from}`;
}

const withDay = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' });
const withYear = new Intl.DateTimeFormat('en-GB', { month: 'short', year: 'numeric', timeZone: 'UTC' });

/** Return a format with days for short ranges, and with months and years for long ones. */
function dateTickFormat(start: Date, end: Date) {
  const format = end.getTime() - start.getTime() > 200 * 86_400_000 ? withYear : withDay;
  return (at: Date) => format.format(at);
}

function summarizeChart(points: HistoryPoint[], rangeLabel: string, lows: PriceLows): string {
  const hasPrice = points.filter((point) => point.lowest !== null);
  const values = hasPrice.map((point) => point.lowest ?? 0);
  const changeText = `In ${rangeLabel} the lowest price went from ${formatUsd(values[0])} to ${formatUsd(values.at(-1))}, between ${formatUsd(Math.min(...values))} and ${formatUsd(Math.max(...values))}.`;
  return lows
    ? `${changeText} All-time low: ${formatUsd(lows.allTimeLow.price)}, on ${formatDay(lows.allTimeLow.at)}.`
    : changeText;
}
