// Columns of the catalogue: the cells of the list, the columns menu, and the CSV export.
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import {
  SEPARATOR,
  NO_VALUE,
  formatPercent,
  shortCpuName,
  nonBreaking,
  formatUsd,
  formatUsdPerMark,
  formatInteger,
} from '../lib/format';
import type { CpuRowFragment } from '../gql/graphql';
import { Confidence, MarkBar, Rating } from '../cpu/Indicators';
import { type SortName, sortFields } from './viewState';
import styles from './columns.module.css';

export type ListedCpu = CpuRowFragment;

/** Largest marks among the loaded CPUs; bars are relative to them. */
export interface MarkScale {
  multi: number;
  single: number;
}

export interface Column {
  id: string;
  label: string;
  /** Shorter label for the column header. */
  shortLabel?: string;
  /** Explanation of the label. */
  hint?: string;
  sort?: SortName;
  numeric?: boolean;
  /** Width in px. */
  width: number;
  isDefault?: boolean;
  cell: (cpu: ListedCpu, scale: MarkScale) => ReactNode;
  csv: (cpu: ListedCpu) => string | number | null;
}

const GREAT_HINT = 'One standard deviation below the good price, USD';
const FAIR_HINT = 'One standard deviation above the good price, USD';

export const columns: Column[] = [
  textColumn('name', 'Name', 216, (cpu) => cpu.name, {
    isDefault: true,
    cell: (cpu) => (
      <Link to="/cpu/$slug" params={{ slug: cpu.slug }} className={styles.nameLink} title={cpu.name}>
        {shortCpuName(cpu.name)}
      </Link>
    ),
  }),
  textColumn('rating', 'Rating', 92, (cpu) => cpu.performanceValue.rating, {
    hint: 'Price per performance among all CPUs on offer',
    isDefault: true,
    cell: (cpu) => <Rating rating={cpu.performanceValue.rating} />,
  }),
  numberColumn('price', 'Good price', 116, (cpu) => cpu.priceTarget.good, {
    hint: 'Mean of the active prices in USD. The dots show how many prices it is based on.',
    isDefault: true,
    cell: (cpu) => (
      <>
        {formatUsd(cpu.priceTarget.good)} <Confidence target={cpu.priceTarget} />
      </>
    ),
  }),
  numberColumn('great', 'Great price', 98, (cpu) => cpu.priceTarget.great, {
    format: formatUsd,
    hint: GREAT_HINT,
    isDefault: true,
  }),
  numberColumn('fair', 'Fair price', 96, (cpu) => cpu.priceTarget.fair, { format: formatUsd, hint: FAIR_HINT }),
  numberColumn('value', '$ per mark, multi-thread', 114, (cpu) => cpu.performanceValue.dollarPerMarkMulti, {
    format: formatUsdPerMark,
    shortLabel: '$/multi mark',
    hint: 'Good price per multi-thread mark: lower is better',
    isDefault: true,
  }),
  numberColumn(
    'better',
    'Better value than',
    128,
    ({ performanceValue: { percentile } }) => percentMoreExpensive(percentile),
    {
      format: formatPercent,
      hint: 'Share of the CPUs on offer that cost more per multi-thread mark',
      sort: 'value',
    },
  ),
  numberColumn('valueSingle', '$ per mark, single-thread', 118, (cpu) => cpu.performanceValue.dollarPerMarkSingle, {
    format: formatUsdPerMark,
    shortLabel: '$/single mark',
  }),
  numberColumn('multi', 'Multi-thread mark', 108, (cpu) => cpu.cpuMarkMulti, {
    shortLabel: 'Multi mark',
    isDefault: true,
    cell: (cpu, scale) => <MarkBar value={cpu.cpuMarkMulti} max={scale.multi} alignEnd />,
  }),
  numberColumn('single', 'Single-thread mark', 108, (cpu) => cpu.cpuMarkSingle, {
    shortLabel: 'Single mark',
    isDefault: true,
    cell: (cpu, scale) => <MarkBar value={cpu.cpuMarkSingle} max={scale.single} alignEnd />,
  }),
  numberColumn('cores', 'Cores', 66, (cpu) => cpu.cores, { isDefault: true }),
  numberColumn('threads', 'Threads', 78, (cpu) => cpu.threads, { isDefault: true }),
  numberColumn('tdp', 'TDP', 76, (cpu) => cpu.tdpW, {
    format: formatWatts,
    hint: 'Thermal design power',
    isDefault: true,
  }),
  numberColumn('year', 'Year', 62, (cpu) => cpu.releaseYear, {
    format: (year) => String(year ?? NO_VALUE),
    isDefault: true,
  }),
  textColumn('socket', 'Socket', 108, (cpu) => cpu.socket),
  numberColumn('listings', 'Listings', 76, (cpu) => cpu.listingsCount, { hint: 'Active listings' }),
  textColumn('maker', 'Maker', 96, (cpu) => cpu.manufacturer),
  textColumn('type', 'Category', 96, (cpu) => cpu.category),
  textColumn('igpuModel', 'Graphics', 190, (cpu) => cpu.igpuModel),
  numberColumn('igpu', 'Graphics mark', 116, (cpu) => cpu.igpuMark),
  numberColumn('prices', 'Active prices', 76, (cpu) => cpu.priceTarget.sampleSize, {
    shortLabel: 'Prices',
    hint: 'Number of prices that the price target is based on',
  }),
];

const columnsById = new Map(columns.map((column) => [column.id, column]));

/** Return the columns of a view in their order. The name is always first. */
export function selectColumns(ids: string[] | undefined): Column[] {
  if (ids === undefined) return columns.filter((column) => column.isDefault);
  const chosenColumns = ids.flatMap((id) => columnsById.get(id) ?? []).filter((column) => column.id !== 'name');
  return [...columns.slice(0, 1), ...new Set(chosenColumns)];
}

/** Return the specifications on one line: LGA1150 · 4/8 cores · 84 W · 2013. */
export function specificationLine(cpu: ListedCpu): string {
  const facts = [
    cpu.socket,
    cpu.cores === null ? null : `${cpu.cores}${cpu.threads === null ? '' : `/${cpu.threads}`} cores`,
    cpu.tdpW === null ? null : `${cpu.tdpW} W`,
    cpu.releaseYear,
  ];
  return (
    facts
      .filter((fact) => fact !== null)
      .map(nonBreaking)
      .join(SEPARATOR) || 'No specifications known'
  );
}

export const formatBetterThan = (percentile: number | null) => formatPercent(percentMoreExpensive(percentile));

type ColumnOptions = Partial<Column>;

/** Return a column of numbers. It is sortable if the API can order by its id. */
function numberColumn(
  id: string,
  label: string,
  width: number,
  valueOf: (cpu: ListedCpu) => number | null,
  { format = formatInteger, ...options }: ColumnOptions & { format?: (value: number | null) => string } = {},
): Column {
  return {
    id,
    label,
    width,
    numeric: true,
    ...sortOption(id),
    cell: (cpu) => format(valueOf(cpu)),
    csv: valueOf,
    ...options,
  };
}

function textColumn(
  id: string,
  label: string,
  width: number,
  valueOf: (cpu: ListedCpu) => string | null,
  options: ColumnOptions = {},
): Column {
  return { id, label, width, ...sortOption(id), cell: (cpu) => valueOf(cpu) ?? NO_VALUE, csv: valueOf, ...options };
}

function sortOption(id: string): ColumnOptions {
  return id in sortFields ? { sort: id as SortName } : {};
}

/** Return the percentage of CPUs with a price that cost more per mark, with one decimal like the percentile. */
function percentMoreExpensive(percentile: number | null): number | null {
  return percentile === null ? null : Math.round(1_000 - percentile * 10) / 10;
}

function formatWatts(value: number | null): string {
  return value === null ? NO_VALUE : `${formatInteger(value)} W`;
}
