import { createColumnHelper, FlexRender, type Row, tableFeatures, useTable } from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { memo, useEffect, useMemo, useRef } from 'react';
import { useMedia } from '../lib/useMediaQuery';
import { Icon } from '../ui/Icon';
import { chosen, type Column, type Cpu } from './columns';
import type { LayoutProps } from './layoutProps';
import { useArrows } from './useArrowKeys';
import { useTop } from './useScrollReset';
import { type Change, type SortKey, sortedBy } from './viewState';
import scroll from './scrollRegion.module.css';
import styles from './ListView.module.css';

const ROW = 36; // px
const features = tableFeatures({});
const helper = createColumnHelper<typeof features, Cpu>();

/** The dense list: a table of which only the rows in sight are drawn. */
export function ListView({ rows, view, change, scale, cpus, stale }: LayoutProps) {
  const region = useRef<HTMLDivElement>(null);
  const shown = useMemo(() => chosen(view.columns), [view.columns]);
  const definitions = useMemo(
    () =>
      helper.columns(
        shown.map((column) =>
          helper.display({ id: column.id, header: column.label, cell: ({ row }) => column.cell(row.original, scale) }),
        ),
      ),
    [shown, scale],
  );
  const table = useTable({ features, columns: definitions, data: rows, getRowId: (cpu) => cpu.id });
  const all = table.getRowModel().rows;
  const virtual = useVirtualizer({
    count: all.length,
    getScrollElement: () => region.current,
    estimateSize: () => ROW,
    overscan: 8,
    // The head covers the first row's place.
    scrollPaddingStart: ROW,
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  const { more } = cpus;
  useEffect(() => {
    if (last >= all.length - 30) more?.();
  }, [last, all.length, more]);
  useTop(region, view);
  const onKeyDown = useArrows(region, all.length, (index) => virtual.scrollToIndex(index));

  // On a phone name, rating and price are in sight.
  const narrow = useMedia('(max-width: 36rem)');
  const widths = shown.map(({ width }, index) => (!narrow ? width : index === 0 ? 128 : Math.round(width * 0.92)));
  const above = items[0]?.start ?? 0;
  const below = virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  return (
    <div
      className={scroll.region}
      data-scroll-region
      ref={region}
      role="region"
      aria-label="CPUs"
      tabIndex={0}
      onKeyDown={onKeyDown}
    >
      <p id="head-how" hidden>
        Orders the list; with Shift as a further key.
      </p>
      <table
        className={styles.table}
        aria-rowcount={all.length + 1}
        style={{ minWidth: widths.reduce((sum, width) => sum + width, 0) }}
        data-stale={stale || undefined}
      >
        <colgroup>
          {shown.map((column, index) => (
            <col key={column.id} style={{ width: widths[index] }} />
          ))}
        </colgroup>
        <thead>
          <tr aria-rowindex={1}>
            {shown.map((column) => (
              <Head key={column.id} column={column} sort={view.sort} change={change} />
            ))}
          </tr>
        </thead>
        <tbody>
          {above > 0 && <Space height={above} columns={shown.length} />}
          {items.map(({ index }) => {
            const row = all[index];
            return row && <Line key={row.id} row={row} index={index} shown={shown} />;
          })}
          {below > 0 && <Space height={below} columns={shown.length} />}
        </tbody>
      </table>
    </div>
  );
}

/** Drawn anew when its CPU or the columns change, not with each step on the way to another list. */
const Line = memo(function Line({
  row,
  index,
  shown,
}: {
  row: Row<typeof features, Cpu>;
  index: number;
  shown: Column[];
}) {
  return (
    <tr data-index={index} aria-rowindex={index + 2}>
      {row.getAllCells().map((cell, column) => {
        const content = <FlexRender cell={cell} />;
        return column === 0 ? (
          <th key={cell.id} scope="row">
            {content}
          </th>
        ) : (
          <td key={cell.id} className={shown[column]?.numeric ? styles.numeric : undefined}>
            {content}
          </td>
        );
      })}
    </tr>
  );
});

function Space({ height, columns }: { height: number; columns: number }) {
  return (
    <tr aria-hidden="true">
      <td colSpan={columns} className={styles.spacer} style={{ height }} />
    </tr>
  );
}

function Head({ column, sort, change }: { column: Column; sort: SortKey[]; change: Change }) {
  const { label, head = label, hint, numeric } = column;
  const by = column.sort;
  const place = sort.findIndex((key) => key.by === by);
  const key = sort[place];
  const direction = key && (key.descending ? 'descending' : 'ascending');
  return (
    <th
      scope="col"
      className={numeric ? styles.numeric : undefined}
      aria-sort={place === 0 && direction ? direction : undefined}
      title={hint}
    >
      {by === undefined ? (
        <span className={styles.columnHead}>{head}</span>
      ) : (
        <button
          type="button"
          className={key ? `${styles.columnHead} ${styles.sorted}` : styles.columnHead}
          aria-describedby="head-how"
          onClick={(event) => change({ sort: sortedBy(sort, by, event.shiftKey || event.metaKey || event.ctrlKey) })}
        >
          {head}
          {key && <Icon name={key.descending ? 'down' : 'up'} size={12} />}
          {key && sort.length > 1 && <sup>{place + 1}</sup>}
          {/* Of the first key the column says so itself. */}
          {place > 0 && <span className="visually-hidden">, {direction}</span>}
        </button>
      )}
    </th>
  );
}
