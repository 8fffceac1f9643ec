// Histogram of the active prices. Each bar has the colour and the name of its zone among the price targets.
import { scaleLinear } from '@visx/scale';
import { Bar } from '@visx/shape';
import type { CombinedError } from 'urql';
import { LeftAxis, BottomAxis } from '../charts/Axes';
import { DataTable, Chart, type ChartSize } from '../charts/Chart';
import { formatInteger, formatShortUsd, formatUsd } from '../lib/format';
import type { CpuDistributionAndSimilarQuery, CpuDetailsQuery } from '../gql/graphql';
import { Panel, PanelError, PanelSkeleton } from '../ui/Panel';
import panels from '../ui/Panel.module.css';
import charts from '../charts/Chart.module.css';
import styles from './PriceDistribution.module.css';

type Bin = NonNullable<CpuDistributionAndSimilarQuery['cpu']>['priceDistribution'][number];
type Target = NonNullable<CpuDetailsQuery['cpu']>['priceTarget'];

const HEIGHT = 190;
const MARGIN = { top: 34, right: 10, bottom: 22, left: 30 };
/** Zones between the price targets: label, and the classes of the bars and of the swatch in the legend. */
const priceZones = {
  great: { label: 'great', bar: styles.binGreat, swatch: styles.swatchGreat },
  good: { label: 'good', bar: styles.binGood, swatch: styles.swatchGood },
  fair: { label: 'fair', bar: styles.binFair, swatch: styles.swatchFair },
  expensive: { label: 'above fair', bar: styles.binExpensive, swatch: styles.swatchExpensive },
};
type Zone = keyof typeof priceZones;

export default function PriceDistribution({
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
          {total === 0 ? 'No active prices.' : `Only one active price: ${formatUsd(bins[0]?.lo)}.`}
        </p>
      ) : (
        <DistributionChart bins={bins} target={target} total={total} />
      )}
    </Panel>
  );
}

function DistributionChart({ bins, target, total }: { bins: Bin[]; target: Target; total: number }) {
  const maxCount = Math.max(...bins.map((bin) => bin.count));
  const low = bins[0]?.lo ?? 0;
  const high = bins.at(-1)?.hi ?? low;
  const isSinglePrice = high === low;
  const scales = ({ width }: ChartSize) => ({
    x: scaleLinear<number>({
      domain: isSinglePrice ? [low - 1, low + 1] : [low, high],
      range: [MARGIN.left, width - MARGIN.right],
    }),
    y: scaleLinear<number>({ domain: [0, maxCount], range: [HEIGHT - MARGIN.bottom, MARGIN.top] }),
  });
  const barRect = (bin: Bin, size: ChartSize) => {
    const { x, y } = scales(size);
    const left = isSinglePrice ? x(low) - 20 : x(bin.lo) + 1;
    const right = isSinglePrice ? x(low) + 20 : x(bin.hi) - 1;
    return { x: left, y: y(bin.count), width: Math.max(1, right - left), height: y(0) - y(bin.count) };
  };
  const visibleBins = isSinglePrice ? bins.filter((bin) => bin.count > 0) : bins;
  const describeBin = (bin: Bin) =>
    `${formatUsd(bin.lo)} to ${formatUsd(bin.hi)}: ${bin.count === 1 ? '1 price' : `${formatInteger(bin.count)} prices`}, ${priceZones[zoneOf(bin, target)].label}`;
  return (
    <>
      <Chart
        height={HEIGHT}
        summary={summarizeChart(bins, target, total)}
        cursor={{
          count: visibleBins.length,
          label: 'Ranges of prices',
          valueText: (index) => (visibleBins[index] ? describeBin(visibleBins[index]) : ''),
          position: (index, size) => {
            const bar = visibleBins[index] ? barRect(visibleBins[index], size) : { x: 0, y: 0, width: 0 };
            return { x: bar.x + bar.width / 2, y: bar.y };
          },
          nearest: (x, _y, size) => {
            const index = visibleBins.findIndex((bin) => {
              const bar = barRect(bin, size);
              return x >= bar.x - 1 && x <= bar.x + bar.width + 1;
            });
            return index < 0 ? undefined : index;
          },
          tooltip: (index) => {
            const bin = visibleBins[index];
            if (!bin) return null;
            return (
              <>
                <strong className="number">
                  {formatUsd(bin.lo)} – {formatUsd(bin.hi)}
                </strong>
                {bin.count === 1 ? '1 price' : `${formatInteger(bin.count)} prices`} ·{' '}
                {priceZones[zoneOf(bin, target)].label}
              </>
            );
          },
        }}
        overlay={(index, size) => {
          const bar = visibleBins[index] && barRect(visibleBins[index], size);
          return (
            bar && (
              <rect className={styles.binFocus} {...bar} y={MARGIN.top} height={HEIGHT - MARGIN.top - MARGIN.bottom} />
            )
          );
        }}
      >
        {(size) => {
          const { x, y } = scales(size);
          const ticks = y.ticks(3).filter(Number.isInteger);
          return (
            <>
              <LeftAxis
                scale={y}
                ticks={ticks}
                format={formatInteger}
                left={MARGIN.left}
                right={size.width - MARGIN.right}
              />
              {visibleBins.map((bin) => (
                <Bar key={bin.lo} className={priceZones[zoneOf(bin, target)].bar ?? ''} {...barRect(bin, size)} />
              ))}
              <BottomAxis
                scale={x}
                ticks={x.ticks(Math.max(2, Math.floor(size.width / 90)))}
                format={formatShortUsd}
                top={HEIGHT - MARGIN.bottom}
              />
              <TargetLines target={target} size={size} x={x} />
            </>
          );
        }}
      </Chart>
      <ul className={charts.legend}>
        {(['great', 'good', 'fair', 'expensive'] as const).map((zone) => (
          <li key={zone}>
            <i className={`${styles.swatch} ${priceZones[zone].swatch}`} aria-hidden="true" />{' '}
            {priceZones[zone].label[0]?.toUpperCase()}
            {priceZones[zone].label.slice(1)}
          </li>
        ))}
      </ul>
      <DataTable
        caption="Active prices by range"
        columns={['Price', 'Number', 'Zone']}
        rows={visibleBins.map((bin) => [
          `${formatUsd(bin.lo)} – ${formatUsd(bin.hi)}`,
          bin.count,
          priceZones[zoneOf(bin, target)].label,
        ])}
      />
    </>
  );
}

/** Lines of the three targets. Labels that would overlap are placed lower. */
function TargetLines({ target, size, x }: { target: Target; size: ChartSize; x: (value: number) => number }) {
  let previousPosition = Number.NEGATIVE_INFINITY;
  let labelRow = 0;
  return (['great', 'good', 'fair'] as const).map((name) => {
    const value = target[name];
    if (value === null) return null;
    const position = x(value);
    if (position < MARGIN.left || position > size.width - MARGIN.right) return null;
    labelRow = position - previousPosition < 46 ? (labelRow + 1) % 3 : 0;
    previousPosition = position;
    const labelY = 8 + labelRow * 11;
    return (
      <g key={name}>
        <line className={styles.targetLine} x1={position} x2={position} y1={labelY + 3} y2={HEIGHT - MARGIN.bottom} />
        <text
          className={styles.targetLabel}
          x={Math.min(Math.max(position, MARGIN.left + 14), size.width - 16)}
          y={labelY}
          textAnchor="middle"
        >
          {name[0]?.toUpperCase()}
          {name.slice(1)}
        </text>
      </g>
    );
  });
}

/** Return the zone of a bin, by its centre. */
function zoneOf(bin: Bin, { great, good, fair }: Target): Zone {
  const middle = (bin.lo + bin.hi) / 2;
  if (great === null || good === null || fair === null) return 'fair';
  if (middle <= great) return 'great';
  if (middle <= good) return 'good';
  return middle <= fair ? 'fair' : 'expensive';
}

function summarizeChart(bins: Bin[], target: Target, total: number): string {
  const largestBin = bins.reduce((best, bin) => (bin.count > best.count ? bin : best));
  const rangeText = `${formatInteger(total)} active prices from ${formatUsd(bins[0]?.lo)} to ${formatUsd(bins.at(-1)?.hi)}`;
  const peakText = `most, ${formatInteger(largestBin.count)}, between ${formatUsd(largestBin.lo)} and ${formatUsd(largestBin.hi)}`;
  const targetsText =
    target.good === null
      ? ''
      : ` Great up to ${formatUsd(target.great)}, good up to ${formatUsd(target.good)}, fair up to ${formatUsd(target.fair)}.`;
  return `${rangeText}; ${peakText}.${targetsText}`;
}
