// Axes of the charts: few ticks, grid lines, no frame.
import { AxisBottom, AxisLeft } from '@visx/axis';
import type { AnyD3Scale } from '@visx/scale';
import charts from './Chart.module.css';

interface AxisProps<T> {
  scale: AnyD3Scale;
  ticks: T[];
  format: (value: T) => string;
}

export function LeftAxis<T>({ scale, ticks, format, left, right }: AxisProps<T> & { left: number; right: number }) {
  return (
    <>
      {ticks.map((tick, index) => (
        <line
          key={index}
          className={charts.gridLine}
          x1={left}
          x2={right}
          y1={scale(tick as never) as number}
          y2={scale(tick as never) as number}
        />
      ))}
      <AxisLeft
        scale={scale}
        left={left}
        tickValues={ticks}
        tickFormat={(value) => format(value as T)}
        hideAxisLine
        hideTicks
        tickLength={4}
        tickLabelProps={{ textAnchor: 'end', dy: '0.33em', dx: -2 }}
      />
    </>
  );
}

export function BottomAxis<T>({ scale, ticks, format, top }: AxisProps<T> & { top: number }) {
  return (
    <AxisBottom
      scale={scale}
      top={top}
      tickValues={ticks}
      tickFormat={(value) => format(value as T)}
      axisLineClassName={charts.baseLine ?? ''}
      hideTicks
      tickLength={6}
      tickLabelProps={{ textAnchor: 'middle', dy: '0.25em' }}
    />
  );
}
