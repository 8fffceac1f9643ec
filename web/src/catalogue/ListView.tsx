import { createColumnHelper, FlexRender, type Row, tableFeatures, useTable } from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { memo, useEffect, useMemo, useRef } from 'react';
import { useMediaQuery } from '../lib/useMediaQuery';
import { Icon } from '../ui/Icon';
import { type Column, type ListedCpu, selectColumns } from './columns';
import type { LayoutProps } from './layoutProps';
import { useArrowKeys } from './useArrowKeys';
import { useScrollReset } from './useScrollReset';
import { type ChangeView, type SortKey, toggleSort } from './viewState';
import scroll from './scrollRegion.module.css';
import styles from './ListView.module.css';

const ROW_HEIGHT = 36; // px
const features = tableFeatures({});
const columnHelper = createColumnHelper<typeof features, ListedCpu>();

/** Virtualised table: only the visible rows are rendered. */
export function ListView({ rows, view, change, scale, cpus, stale }: LayoutProps) {
  const region = useRef<HTMLDivElement>(null);
  const visibleColumns = useMemo(() => selectColumns(view.columns), [view.columns]);
  const definitions = useMemo(
    () =>
      columnHelper.columns(
        visibleColumns.map((column) =>
          columnHelper.display({
            id: column.id,
            header: column.label,
            cell: ({ row }) => column.cell(row.original, scale),
          }),
        ),
      ),
    [visibleColumns, scale],
  );
  const table = useTable({ features, columns: definitions, data: rows, getRowId: (cpu) => cpu.id });
  const tableRows = table.getRowModel().rows;
  const virtualizer = useVirtualizer({
    count: tableRows.length,
    getScrollElement: () => region.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 8,
    // The sticky head covers one row.
    scrollPaddingStart: ROW_HEIGHT,
  });
  const virtualRows = virtualizer.getVirtualItems();
  const lastVisible = virtualRows.at(-1)?.index ?? 0;
  const { loadMore } = cpus;
  useEffect(() => {
    if (lastVisible >= tableRows.length - 30) loadMore?.();
  }, [lastVisible, tableRows.length, loadMore]);
  useScrollReset(region, view);
  const onKeyDown = useArrowKeys(region, tableRows.length, (index) => virtualizer.scrollToIndex(index));

  // On a phone, name, rating and price are visible without scrolling.
  const isNarrow = useMediaQuery('(max-width: 36rem)');
  const widths = visibleColumns.map(({ width }, index) =>
    !isNarrow ? width : index === 0 ? 128 : Math.round(width * 0.92),
  );
  const spaceAbove = virtualRows[0]?.start ?? 0;
  const spaceBelow = virtualizer.getTotalSize() - (virtualRows.at(-1)?.end ?? 0);
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
      <p id="sort-hint" hidden>
        Sorts the list. Shift-click adds a further sort key.
      </p>
      <table
        className={styles.table}
        aria-rowcount={tableRows.length + 1}
        style={{ minWidth: widths.reduce((sum, width) => sum + width, 0) }}
        data-stale={stale || undefined}
      >
        <colgroup>
          {visibleColumns.map((column, index) => (
            <col key={column.id} style={{ width: widths[index] }} />
          ))}
        </colgroup>
        <thead>
          <tr aria-rowindex={1}>
            {visibleColumns.map((column) => (
              <ColumnHead key={column.id} column={column} sort={view.sort} change={change} />
            ))}
          </tr>
        </thead>
        <tbody>
          {spaceAbove > 0 && <SpacerRow height={spaceAbove} columns={visibleColumns.length} />}
          {virtualRows.map(({ index }) => {
            const row = tableRows[index];
            return row && <ListRow key={row.id} row={row} index={index} visibleColumns={visibleColumns} />;
          })}
          {spaceBelow > 0 && <SpacerRow height={spaceBelow} columns={visibleColumns.length} />}
        </tbody>
      </table>
    </div>
  );
}

/** Memoised: renders again only if its CPU or the columns change. */
const ListRow = memo(function ListRow({
  row,
  index,
  visibleColumns,
}: {
  row: Row<typeof features, ListedCpu>;
  index: number;
  visibleColumns: Column[];
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
          <td key={cell.id} className={visibleColumns[column]?.numeric ? styles.numeric : undefined}>
            {content}
          </td>
        );
      })}
    </tr>
  );
});

function SpacerRow({ height, columns }: { height: number; columns: number }) {
  return (
    <tr aria-hidden="true">
      <td colSpan={columns} className={styles.spacer} style={{ height }} />
    </tr>
  );
}

function ColumnHead({ column, sort, change }: { column: Column; sort: SortKey[]; change: ChangeView }) {
  const { label, shortLabel: head = label, hint, numeric } = column;
  const by = column.sort;
  const sortPosition = sort.findIndex((key) => key.by === by);
  const key = sort[sortPosition];
  const direction = key && (key.descending ? 'descending' : 'ascending');
  return (
    <th
      scope="col"
      className={numeric ? styles.numeric : undefined}
      aria-sort={sortPosition === 0 && direction ? direction : undefined}
      title={hint}
    >
      {by === undefined ? (
        <span className={styles.columnHead}>{head}</span>
      ) : (
        <button
          type="button"
          className={key ? `${styles.columnHead} ${styles.sorted}` : styles.columnHead}
          aria-describedby="sort-hint"
          onClick={(event) => change({ sort: toggleSort(sort, by, event.shiftKey || event.metaKey || event.ctrlKey) })}
        >
          {head}
          {key && <Icon name={key.descending ? 'down' : 'up'} size={12} />}
          {key && sort.length > 1 && <sup>{sortPosition + 1}</sup>}
          {/* aria-sort announces the first sort key. */}
          {sortPosition > 0 && <span className="visually-hidden">, {direction}</span>}
        </button>
      )}
    </th>
  );
}
