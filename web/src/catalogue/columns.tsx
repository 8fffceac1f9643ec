// What a CPU has to show, once for all views: the cells of the list, the choice of columns, and the file of the export.
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { BETWEEN, NONE, percent, shortName, unbroken, usd, usdPerMark, whole } from '../lib/format';
import type { CpuRowFragment } from '../gql/graphql';
import { Confidence, MarkBar, Rating } from '../cpu/Indicators';
import { type SortName, sorts } from './viewState';
import styles from './columns.module.css';

export type Cpu = CpuRowFragment;

/** The greatest marks of the CPUs that are shown, which bars are drawn to. */
export interface Scale {
  multi: number;
  single: number;
}

export interface Column {
  id: string;
  label: string;
  /** Shorter, for the head of the list. */
  head?: string;
  /** What it means, where the label does not say. */
  hint?: string;
  sort?: SortName;
  numeric?: boolean;
  /** Width in the list, px. */
  width: number;
  usual?: boolean;
  cell: (cpu: Cpu, scale: Scale) => ReactNode;
  csv: (cpu: Cpu) => string | number | null;
}

const GREAT = 'One standard deviation below the good price, USD';
const FAIR = 'One standard deviation above the good price, USD';

export const columns: Column[] = [
  text('name', 'Name', 216, (cpu) => cpu.name, {
    usual: true,
    cell: (cpu) => (
      <Link to="/cpu/$slug" params={{ slug: cpu.slug }} className={styles.nameLink} title={cpu.name}>
        {shortName(cpu.name)}
      </Link>
    ),
  }),
  text('rating', 'Rating', 92, (cpu) => cpu.performanceValue.rating, {
    hint: 'Price for performance among all CPUs on offer',
    usual: true,
    cell: (cpu) => <Rating rating={cpu.performanceValue.rating} />,
  }),
  figure('price', 'Good price', 116, (cpu) => cpu.priceTarget.good, {
    hint: 'Mean of the active prices, USD; the dots tell how many prices it rests on',
    usual: true,
    cell: (cpu) => (
      <>
        {usd(cpu.priceTarget.good)} <Confidence target={cpu.priceTarget} />
      </>
    ),
  }),
  figure('great', 'Great price', 98, (cpu) => cpu.priceTarget.great, { write: usd, hint: GREAT, usual: true }),
  figure('fair', 'Fair price', 96, (cpu) => cpu.priceTarget.fair, { write: usd, hint: FAIR }),
  figure('value', '$ per mark, multi-thread', 114, (cpu) => cpu.performanceValue.dollarPerMarkMulti, {
    write: usdPerMark,
    head: '$/multi mark',
    hint: 'Good price per multi-thread mark: the less, the better',
    usual: true,
  }),
  figure('better', 'Better value than', 128, ({ performanceValue: { percentile } }) => share(percentile), {
    write: percent,
    hint: 'Share of the CPUs on offer that cost more per multi-thread mark',
    sort: 'value',
  }),
  figure('valueSingle', '$ per mark, single-thread', 118, (cpu) => cpu.performanceValue.dollarPerMarkSingle, {
    write: usdPerMark,
    head: '$/single mark',
  }),
  figure('multi', 'Multi-thread mark', 108, (cpu) => cpu.cpuMarkMulti, {
    head: 'Multi mark',
    usual: true,
    cell: (cpu, scale) => <MarkBar value={cpu.cpuMarkMulti} most={scale.multi} alignEnd />,
  }),
  figure('single', 'Single-thread mark', 108, (cpu) => cpu.cpuMarkSingle, {
    head: 'Single mark',
    usual: true,
    cell: (cpu, scale) => <MarkBar value={cpu.cpuMarkSingle} most={scale.single} alignEnd />,
  }),
  figure('cores', 'Cores', 66, (cpu) => cpu.cores, { usual: true }),
  figure('threads', 'Threads', 78, (cpu) => cpu.threads, { usual: true }),
  figure('tdp', 'TDP', 76, (cpu) => cpu.tdpW, { write: watts, hint: 'Thermal design power', usual: true }),
  figure('year', 'Year', 62, (cpu) => cpu.releaseYear, { write: (year) => String(year ?? NONE), usual: true }),
  text('socket', 'Socket', 108, (cpu) => cpu.socket),
  figure('listings', 'Listings', 76, (cpu) => cpu.listingsCount, { hint: 'Active listings' }),
  text('maker', 'Maker', 96, (cpu) => cpu.manufacturer),
  text('type', 'Category', 96, (cpu) => cpu.category),
  text('igpuModel', 'Graphics', 190, (cpu) => cpu.igpuModel),
  figure('igpu', 'Graphics mark', 116, (cpu) => cpu.igpuMark),
  figure('prices', 'Active prices', 76, (cpu) => cpu.priceTarget.sampleSize, {
    head: 'Prices',
    hint: 'Listings whose price counts: so many the price target rests on',
  }),
];

const byId = new Map(columns.map((column) => [column.id, column]));

/** The columns of a view, in their order; the name is always the first. */
export function chosen(ids: string[] | undefined): Column[] {
  if (ids === undefined) return columns.filter((column) => column.usual);
  const found = ids.flatMap((id) => byId.get(id) ?? []).filter((column) => column.id !== 'name');
  return [...columns.slice(0, 1), ...new Set(found)];
}

/** The specifications on one line: LGA1150 · 4/8 cores · 84 W · 2013. */
export function inWords(cpu: Cpu): string {
  const facts = [
    cpu.socket,
    cpu.cores === null ? null : `${cpu.cores}${cpu.threads === null ? '' : `/${cpu.threads}`} cores`,
    cpu.tdpW === null ? null : `${cpu.tdpW} W`,
    cpu.releaseYear,
  ];
  return (
    facts
      .filter((fact) => fact !== null)
      .map(unbroken)
      .join(BETWEEN) || 'No specifications known'
  );
}

export const betterThan = (percentile: number | null) => percent(share(percentile));

type Rest = Partial<Column>;

/** A number; its cell is written by `write`. What the API orders by under this name, the list can be ordered by. */
function figure(
  id: string,
  label: string,
  width: number,
  of: (cpu: Cpu) => number | null,
  { write = whole, ...rest }: Rest & { write?: (value: number | null) => string } = {},
): Column {
  return { id, label, width, numeric: true, ...sorted(id), cell: (cpu) => write(of(cpu)), csv: of, ...rest };
}

function text(id: string, label: string, width: number, of: (cpu: Cpu) => string | null, rest: Rest = {}): Column {
  return { id, label, width, ...sorted(id), cell: (cpu) => of(cpu) ?? NONE, csv: of, ...rest };
}

function sorted(id: string): Rest {
  return id in sorts ? { sort: id as SortName } : {};
}

/** Of the CPUs on offer, those that cost more: in tenths of a percent, as percentiles are. */
function share(percentile: number | null): number | null {
  return percentile === null ? null : Math.round(1_000 - percentile * 10) / 10;
}

function watts(value: number | null): string {
  return value === null ? NONE : `${whole(value)} W`;
}
