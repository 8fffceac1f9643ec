// What all charts stand in: a picture with its summary, a cursor that goes by pointer and by keyboard, and the same
// figures as a table, which screen readers find and everybody else can open.
import { type KeyboardEvent, memo, type PointerEvent, type ReactNode, useId, useRef, useState } from 'react';
import { useSize } from '../lib/useElementSize';
import styles from './Chart.module.css';

export interface Frame {
  width: number;
  height: number;
}

interface Cursor {
  /** How many places the cursor can be at. */
  count: number;
  /** How many of them, from the first on, the keyboard goes through; all unless told. */
  steps?: number;
  /** What it goes through, as "Days". */
  label: string;
  /** What is told at a place. */
  text: (index: number) => string;
  /** Where on the picture a place is, px. */
  at: (index: number, frame: Frame) => { x: number; y: number };
  /** The place that is meant by a point of the picture. */
  nearest: (x: number, y: number, frame: Frame) => number | undefined;
  tip: (index: number) => ReactNode;
  /** Enter, or a click. */
  open?: (index: number) => void;
  /** Where the keyboard begins. */
  start?: number;
}

export function Chart({
  height: given,
  summary,
  cursor,
  children,
  overlay,
}: {
  /** In px, or as CSS has it. */
  height: number | string;
  /** The picture in one or two sentences. */
  summary: string;
  cursor?: Cursor | undefined;
  children: (frame: Frame) => ReactNode;
  /** Drawn above, anew with each move of the cursor. */
  overlay?: (index: number, frame: Frame) => ReactNode;
}) {
  const [ref, width, height] = useSize();
  const [active, setActive] = useState<number>();
  const frame = { width, height };
  const shown = cursor && active !== undefined && active < cursor.count ? active : undefined;
  const find = (event: PointerEvent<HTMLElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    return cursor?.nearest(event.clientX - box.left, event.clientY - box.top, frame);
  };
  const move = (event: PointerEvent<HTMLElement>) => setActive(find(event));
  // A finger does not hover: its first tap shows what is there, the second opens it.
  const opens = useRef(false);
  const press = (event: PointerEvent<HTMLElement>) => {
    const found = find(event);
    opens.current = event.pointerType === 'mouse' || found === active;
    setActive(found);
  };
  return (
    <div
      className={styles.chart}
      ref={ref}
      style={{ height: given }}
      data-opens={(cursor?.open && shown !== undefined) || undefined}
      onPointerMove={move}
      onPointerDown={press}
      onPointerLeave={(event) => {
        if (event.pointerType === 'mouse') setActive(undefined);
      }}
      onClick={() => {
        if (opens.current && shown !== undefined) cursor?.open?.(shown);
      }}
    >
      {width > 0 && (
        <>
          <Picture width={width} height={height} summary={summary} draw={children} />
          {shown !== undefined && overlay && (
            <svg className={styles.overlay} width={width} height={height} aria-hidden="true">
              {overlay(shown, frame)}
            </svg>
          )}
          {cursor && cursor.count > 0 && <Steps cursor={cursor} active={shown} setActive={setActive} />}
          {cursor && shown !== undefined && (
            <Tip frame={frame} {...cursor.at(shown, frame)}>
              {cursor.tip(shown)}
            </Tip>
          )}
        </>
      )}
    </div>
  );
}

/** What does not move with the cursor: drawn once. */
const Picture = memo(function Picture({
  width,
  height,
  summary,
  draw,
}: Frame & { summary: string; draw: (frame: Frame) => ReactNode }) {
  return (
    <svg className={styles.picture} width={width} height={height} role="img" aria-label={summary}>
      {draw({ width, height })}
    </svg>
  );
});

/** A slider that is not seen but for its focus: arrows, Home, End and screen readers go through the places by it. */
function Steps({
  cursor,
  active,
  setActive,
}: {
  cursor: Cursor;
  active: number | undefined;
  setActive: (index: number | undefined) => void;
}) {
  const start = cursor.start ?? 0;
  const last = (cursor.steps ?? cursor.count) - 1;
  const value = Math.min(active ?? start, last);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Enter') cursor.open?.(value);
    if (event.key === 'Escape') setActive(undefined);
    // A first arrow shows where the cursor is.
    if (active === undefined && event.key.startsWith('Arrow')) {
      event.preventDefault();
      setActive(start);
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
      aria-valuetext={cursor.text(value)}
      onChange={(event) => setActive(Number(event.target.value))}
      onFocus={(event) => {
        if (event.target.matches(':focus-visible')) setActive(value);
      }}
      onBlur={() => setActive(undefined)}
      onKeyDown={onKeyDown}
    />
  );
}

const TIP = 200; // px, the most a tip is wide

/** Beside the point, on the side where there is room. */
function Tip({ frame, x, y, children }: { frame: Frame; x: number; y: number; children: ReactNode }) {
  const left = x > frame.width - TIP && x > frame.width / 2;
  const below = y < 70;
  return (
    <div
      className={styles.tooltip}
      data-testid="tooltip"
      aria-hidden="true"
      style={{
        left: x,
        top: y,
        translate: `${left ? 'calc(-100% - 12px)' : '12px'} ${below ? '8px' : 'calc(-100% - 8px)'}`,
      }}
    >
      {children}
    </div>
  );
}

/** The figures of a chart as a table, opened on demand. */
export function AsTable({ caption, head, rows }: { caption: string; head: string[]; rows: (string | number)[][] }) {
  const id = useId();
  const [open, setOpen] = useState(false);
  return (
    <details className={styles.dataTable} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>The figures as a table</summary>
      {open && (
        <div className={styles.dataTableScroll} role="region" aria-labelledby={id} tabIndex={0}>
          <table>
            <caption id={id} className="visually-hidden">
              {caption}
            </caption>
            <thead>
              <tr>
                {head.map((each) => (
                  <th key={each} scope="col">
                    {each}
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
