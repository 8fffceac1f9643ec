// Frame of all charts: the drawing with a summary, a cursor for pointer and keyboard, and the same figures as a table.
import { type KeyboardEvent, memo, type PointerEvent, type ReactNode, useId, useRef, useState } from 'react';
import { useElementSize } from '../lib/useElementSize';
import styles from './Chart.module.css';

export interface ChartSize {
  width: number;
  height: number;
}

interface Cursor {
  /** Number of points. */
  count: number;
  /** Number of points that the keyboard reaches, from the first one; default: all. */
  keyboardCount?: number;
  /** Label of the slider, such as "Days". */
  label: string;
  /** Text of a point, for screen readers. */
  valueText: (index: number) => string;
  /** Position of a point in px. */
  position: (index: number, size: ChartSize) => { x: number; y: number };
  /** Index of the point nearest to a position. */
  nearest: (x: number, y: number, size: ChartSize) => number | undefined;
  tooltip: (index: number) => ReactNode;
  /** Called on Enter or a click. */
  onOpen?: (index: number) => void;
  /** Where the keyboard starts. */
  startIndex?: number;
}

export function Chart({
  height: cssHeight,
  summary,
  cursor,
  children,
  overlay,
}: {
  /** In px, or a CSS length. */
  height: number | string;
  /** One or two sentences about the chart, for screen readers. */
  summary: string;
  cursor?: Cursor | undefined;
  children: (size: ChartSize) => ReactNode;
  /** Drawn above the chart for the point of the cursor. */
  overlay?: (index: number, size: ChartSize) => ReactNode;
}) {
  const [ref, width, height] = useElementSize();
  const [hoveredIndex, setHoveredIndex] = useState<number>();
  const size = { width, height };
  const activeIndex = cursor && hoveredIndex !== undefined && hoveredIndex < cursor.count ? hoveredIndex : undefined;
  const indexAt = (event: PointerEvent<HTMLElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    return cursor?.nearest(event.clientX - box.left, event.clientY - box.top, size);
  };
  const onPointerMove = (event: PointerEvent<HTMLElement>) => setHoveredIndex(indexAt(event));
  // Touch has no hover: the first tap shows a point, the second one opens it.
  const opensOnClick = useRef(false);
  const onPointerDown = (event: PointerEvent<HTMLElement>) => {
    const index = indexAt(event);
    opensOnClick.current = event.pointerType === 'mouse' || index === hoveredIndex;
    setHoveredIndex(index);
  };
  return (
    <div
      className={styles.chart}
      ref={ref}
      style={{ height: cssHeight }}
      data-opens={(cursor?.onOpen && activeIndex !== undefined) || undefined}
      onPointerMove={onPointerMove}
      onPointerDown={onPointerDown}
      onPointerLeave={(event) => {
        if (event.pointerType === 'mouse') setHoveredIndex(undefined);
      }}
      onClick={() => {
        if (opensOnClick.current && activeIndex !== undefined) cursor?.onOpen?.(activeIndex);
      }}
    >
      {width > 0 && (
        <>
          <ChartPicture width={width} height={height} summary={summary} draw={children} />
          {activeIndex !== undefined && overlay && (
            <svg className={styles.overlay} width={width} height={height} aria-hidden="true">
              {overlay(activeIndex, size)}
            </svg>
          )}
          {cursor && cursor.count > 0 && (
            <KeyboardSlider cursor={cursor} hoveredIndex={activeIndex} setHoveredIndex={setHoveredIndex} />
          )}
          {cursor && activeIndex !== undefined && (
            <Tooltip size={size} {...cursor.position(activeIndex, size)}>
              {cursor.tooltip(activeIndex)}
            </Tooltip>
          )}
        </>
      )}
    </div>
  );
}

/** The part of a chart that does not depend on the cursor; memoised, so cursor movements do not draw it again. */
const ChartPicture = memo(function ChartPicture({
  width,
  height,
  summary,
  draw,
}: ChartSize & { summary: string; draw: (size: ChartSize) => ReactNode }) {
  return (
    <svg className={styles.picture} width={width} height={height} role="img" aria-label={summary}>
      {draw({ width, height })}
    </svg>
  );
});

/** Invisible slider that provides arrow keys, Home, End and screen reader support. */
function KeyboardSlider({
  cursor,
  hoveredIndex,
  setHoveredIndex,
}: {
  cursor: Cursor;
  hoveredIndex: number | undefined;
  setHoveredIndex: (index: number | undefined) => void;
}) {
  const startIndex = cursor.startIndex ?? 0;
  const last = (cursor.keyboardCount ?? cursor.count) - 1;
  const value = Math.min(hoveredIndex ?? startIndex, last);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Enter') cursor.onOpen?.(value);
    if (event.key === 'Escape') setHoveredIndex(undefined);
    // The first arrow key shows the cursor.
    if (hoveredIndex === undefined && event.key.startsWith('Arrow')) {
      event.preventDefault();
      setHoveredIndex(startIndex);
    }
  };
  return (
    <input
      className={styles.keyboardSlider}
      type="range"
      min={0}
      max={last}
      step={1}
      value={value}
      aria-label={cursor.label}
      aria-valuetext={cursor.valueText(value)}
      onChange={(event) => setHoveredIndex(Number(event.target.value))}
      onFocus={(event) => {
        if (event.target.matches(':focus-visible')) setHoveredIndex(value);
      }}
      onBlur={() => setHoveredIndex(undefined)}
      onKeyDown={onKeyDown}
    />
  );
}

const TOOLTIP_WIDTH = 200; // largest width, in px

/** Tooltip next to a point, on the side that has room. */
function Tooltip({ size, x, y, children }: { size: ChartSize; x: number; y: number; children: ReactNode }) {
  const openLeft = x > size.width - TOOLTIP_WIDTH && x > size.width / 2;
  const openBelow = y < 70;
  return (
    <div
      className={styles.tooltip}
      data-testid="tooltip"
      aria-hidden="true"
      style={{
        left: x,
        top: y,
        translate: `${openLeft ? 'calc(-100% - 12px)' : '12px'} ${openBelow ? '8px' : 'calc(-100% - 8px)'}`,
      }}
    >
      {children}
    </div>
  );
}

/** The figures of a chart as a table that the reader can open. */
export function DataTable({
  caption,
  columns,
  rows,
}: {
  caption: string;
  columns: string[];
  rows: (string | number)[][];
}) {
  const id = useId();
  const [isOpen, setIsOpen] = useState(false);
  return (
    <details className={styles.dataTable} onToggle={(event) => setIsOpen(event.currentTarget.open)}>
      <summary>Show as a table</summary>
      {isOpen && (
        <div className={styles.dataTableScroll} role="region" aria-labelledby={id} tabIndex={0}>
          <table>
            <caption id={id} className="visually-hidden">
              {caption}
            </caption>
            <thead>
              <tr>
                {columns.map((column) => (
                  <th key={column} scope="col">
                    {column}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map(([first, ...rest]) => (
                <tr key={first}>
                  <th scope="row">{first}</th>
                  {rest.map((cell, index) => (
                    <td key={index} className="number">
                      {cell}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  );
}
