// How the active prices lie: a bar for each range of prices, coloured and named by where the targets are.
import { scaleLinear } from '@visx/scale';
import { Bar } from '@visx/shape';
import type { CombinedError } from 'urql';
import { Across, Along } from '../charts/Axes';
import { AsTable, Chart, type Frame } from '../charts/Chart';
import { usd, whole } from '../lib/format';
import type { CpuDistributionAndSimilarQuery, CpuDetailsQuery } from '../gql/graphql';
import { Panel, PanelError, PanelSkeleton } from '../ui/Panel';
import panels from '../ui/Panel.module.css';
import charts from '../charts/Chart.module.css';
import styles from './PriceDistribution.module.css';

type Bin = NonNullable<CpuDistributionAndSimilarQuery['cpu']>['priceDistribution'][number];
type Target = NonNullable<CpuDetailsQuery['cpu']>['priceTarget'];

const HEIGHT = 190;
const ROOM = { top: 34, right: 10, bottom: 22, left: 30 };
/** Where a price lies among the targets: label, and the classes of its bars and of its swatch in the legend. */
const zones = {
  great: { label: 'great', bar: styles.binGreat, swatch: styles.swatchGreat },
  good: { label: 'good', bar: styles.binGood, swatch: styles.swatchGood },
  fair: { label: 'fair', bar: styles.binFair, swatch: styles.swatchFair },
  expensive: { label: 'above fair', bar: styles.binExpensive, swatch: styles.swatchExpensive },
};
type Zone = keyof typeof zones;

export default function Distribution({
  bins,
  error,
  target,
}: {
  bins: Bin[] | undefined;
  error: CombinedError | undefined;
  target: Target;
}) {
  if (bins === undefined && error)
    return (
      <Panel title="Price distribution" id="distribution">
        <PanelError error={error} />
      </Panel>
    );
  if (bins === undefined) return <PanelSkeleton title="Price distribution" height={320} />;
  const total = bins.reduce((sum, bin) => sum + bin.count, 0);
  return (
    <Panel title="Price distribution" id="distribution">
      {total < 2 ? (
        <p className={`muted ${panels.message}`}>
          {total === 0 ? 'There is no active price to draw.' : `There is one active price: ${usd(bins[0]?.lo)}.`}
        </p>
      ) : (
        <Drawn bins={bins} target={target} total={total} />
      )}
    </Panel>
  );
}

function Drawn({ bins, target, total }: { bins: Bin[]; target: Target; total: number }) {
  const most = Math.max(...bins.map((bin) => bin.count));
  const low = bins[0]?.lo ?? 0;
  const high = bins.at(-1)?.hi ?? low;
  const flat = high === low;
  const scales = ({ width }: Frame) => ({
    x: scaleLinear<number>({
      domain: flat ? [low - 1, low + 1] : [low, high],
      range: [ROOM.left, width - ROOM.right],
    }),
    y: scaleLinear<number>({ domain: [0, most], range: [HEIGHT - ROOM.bottom, ROOM.top] }),
  });
  const box = (bin: Bin, frame: Frame) => {
    const { x, y } = scales(frame);
    const left = flat ? x(low) - 20 : x(bin.lo) + 1;
    const right = flat ? x(low) + 20 : x(bin.hi) - 1;
    return { x: left, y: y(bin.count), width: Math.max(1, right - left), height: y(0) - y(bin.count) };
  };
  const shown = flat ? bins.filter((bin) => bin.count > 0) : bins;
  const told = (bin: Bin) =>
    `${usd(bin.lo)} to ${usd(bin.hi)}: ${bin.count === 1 ? '1 price' : `${whole(bin.count)} prices`}, ${zones[zone(bin, target)].label}`;
  return (
    <>
      <Chart
        height={HEIGHT}
        summary={summary(bins, target, total)}
        cursor={{
          count: shown.length,
          label: 'Ranges of prices',
          text: (index) => (shown[index] ? told(shown[index]) : ''),
          at: (index, frame) => {
            const bar = shown[index] ? box(shown[index], frame) : { x: 0, y: 0, width: 0 };
            return { x: bar.x + bar.width / 2, y: bar.y };
          },
          nearest: (x, _y, frame) => {
            const found = shown.findIndex((bin) => {
              const bar = box(bin, frame);
              return x >= bar.x - 1 && x <= bar.x + bar.width + 1;
            });
            return found < 0 ? undefined : found;
          },
          tip: (index) => {
            const bin = shown[index];
            if (!bin) return null;
            return (
              <>
                <strong className="number">
                  {usd(bin.lo)} – {usd(bin.hi)}
                </strong>
                {bin.count === 1 ? '1 price' : `${whole(bin.count)} prices`} · {zones[zone(bin, target)].label}
              </>
            );
          },
        }}
        overlay={(index, frame) => {
          const bar = shown[index] && box(shown[index], frame);
          return (
            bar && <rect className={styles.binFocus} {...bar} y={ROOM.top} height={HEIGHT - ROOM.top - ROOM.bottom} />
          );
        }}
      >
        {(frame) => {
          const { x, y } = scales(frame);
          const ticks = y.ticks(3).filter(Number.isInteger);
          return (
            <>
              <Across scale={y} ticks={ticks} format={whole} left={ROOM.left} right={frame.width - ROOM.right} />
              {shown.map((bin) => (
                <Bar key={bin.lo} className={zones[zone(bin, target)].bar ?? ''} {...box(bin, frame)} />
              ))}
              <Along
                scale={x}
                ticks={x.ticks(Math.max(2, Math.floor(frame.width / 90)))}
                format={short}
                top={HEIGHT - ROOM.bottom}
              />
              <Marks target={target} frame={frame} x={x} />
            </>
          );
        }}
      </Chart>
      <ul className={charts.legend}>
        {(['great', 'good', 'fair', 'expensive'] as const).map((each) => (
          <li key={each}>
            <i className={`${styles.swatch} ${zones[each].swatch}`} aria-hidden="true" />{' '}
            {zones[each].label[0]?.toUpperCase()}
            {zones[each].label.slice(1)}
          </li>
        ))}
      </ul>
      <AsTable
        caption="Active prices by range"
        head={['Prices', 'How many', 'Where']}
        rows={shown.map((bin) => [`${usd(bin.lo)} – ${usd(bin.hi)}`, bin.count, zones[zone(bin, target)].label])}
      />
    </>
  );
}

/** The lines of the three targets; labels stand lower where they would touch. */
function Marks({ target, frame, x }: { target: Target; frame: Frame; x: (value: number) => number }) {
  let last = Number.NEGATIVE_INFINITY;
  let row = 0;
  return (['great', 'good', 'fair'] as const).map((name) => {
    const value = target[name];
    if (value === null) return null;
    const at = x(value);
    if (at < ROOM.left || at > frame.width - ROOM.right) return null;
    row = at - last < 46 ? (row + 1) % 3 : 0;
    last = at;
    const top = 8 + row * 11;
    return (
      <g key={name}>
        <line className={styles.targetLine} x1={at} x2={at} y1={top + 3} y2={HEIGHT - ROOM.bottom} />
        <text
          className={styles.targetLabel}
          x={Math.min(Math.max(at, ROOM.left + 14), frame.width - 16)}
          y={top}
          textAnchor="middle"
        >
          {name[0]?.toUpperCase()}
          {name.slice(1)}
        </text>
      </g>
    );
  });
}

/** By the middle of the range. */
function zone(bin: Bin, { great, good, fair }: Target): Zone {
  const middle = (bin.lo + bin.hi) / 2;
  if (great === null || good === null || fair === null) return 'fair';
  if (middle <= great) return 'great';
  if (middle <= good) return 'good';
  return middle <= fair ? 'fair' : 'expensive';
}

const short = (value: number) => usd(value).replace('.00', '');

function summary(bins: Bin[], target: Target, total: number): string {
  const tallest = bins.reduce((best, bin) => (bin.count > best.count ? bin : best));
  const ends = `${whole(total)} active prices from ${usd(bins[0]?.lo)} to ${usd(bins.at(-1)?.hi)}`;
  const peak = `most, ${whole(tallest.count)}, between ${usd(tallest.lo)} and ${usd(tallest.hi)}`;
  const marks =
    target.good === null
      ? ''
      : ` Great up to ${usd(target.great)}, good up to ${usd(target.good)}, fair up to ${usd(target.fair)}.`;
  return `${ends}; ${peak}.${marks}`;
}
