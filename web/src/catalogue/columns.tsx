// What a CPU has to show, once for all views: the cells of the list, the choice of columns, and the file of the export.
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { percent, shortName, usd, usdPerMark, whole } from '../format';
import type { CpuRowFragment } from '../gql/graphql';
import { Confidence, MarkBar, Rating, Value } from '../cpu/Figures';
import type { SortName } from './view';

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
  csv: (cpu: Cpu) => string | number | boolean | null;
}

export const columns: Column[] = [
  {
    id: 'name',
    label: 'Name',
    sort: 'name',
    width: 216,
    usual: true,
    cell: (cpu) => (
      <Link to="/cpu/$slug" params={{ slug: cpu.slug }} className="cpu-link" title={cpu.name}>
        {shortName(cpu.name)}
      </Link>
    ),
    csv: (cpu) => cpu.name,
  },
  {
    id: 'rating',
    label: 'Rating',
    hint: 'Price for performance among all CPUs on offer',
    width: 92,
    usual: true,
    cell: (cpu) => <Rating rating={cpu.performanceValue.rating} />,
    csv: (cpu) => cpu.performanceValue.rating,
  },
  {
    id: 'price',
    label: 'Good price',
    hint: 'Mean of the active prices, USD; the dots tell how many prices it rests on',
    sort: 'price',
    numeric: true,
    width: 116,
    usual: true,
    cell: (cpu) => (
      <>
        {usd(cpu.priceTarget.good)} <Confidence target={cpu.priceTarget} />
      </>
    ),
    csv: (cpu) => cpu.priceTarget.good,
  },
  {
    id: 'great',
    label: 'Great price',
    hint: 'One standard deviation below the good price, USD',
    sort: 'great',
    numeric: true,
    width: 98,
    usual: true,
    cell: (cpu) => usd(cpu.priceTarget.great),
    csv: (cpu) => cpu.priceTarget.great,
  },
  {
    id: 'fair',
    label: 'Fair price',
    hint: 'One standard deviation above the good price, USD',
    sort: 'fair',
    numeric: true,
    width: 96,
    cell: (cpu) => usd(cpu.priceTarget.fair),
    csv: (cpu) => cpu.priceTarget.fair,
  },
  {
    id: 'value',
    label: '$ per mark, multi-thread',
    head: '$/multi mark',
    hint: 'Good price per multi-thread mark: the less, the better',
    sort: 'value',
    numeric: true,
    width: 114,
    usual: true,
    cell: (cpu) => usdPerMark(cpu.performanceValue.dollarPerMarkMulti),
    csv: (cpu) => cpu.performanceValue.dollarPerMarkMulti,
  },
  {
    id: 'better',
    label: 'Better value than',
    hint: 'Share of the CPUs on offer that cost more per multi-thread mark',
    sort: 'value',
    numeric: true,
    width: 128,
    cell: (cpu) => <Value percentile={cpu.performanceValue.percentile} />,
    csv: (cpu) => (cpu.performanceValue.percentile === null ? null : 100 - cpu.performanceValue.percentile),
  },
  {
    id: 'valueSingle',
    label: '$ per mark, single-thread',
    head: '$/single mark',
    sort: 'valueSingle',
    numeric: true,
    width: 118,
    cell: (cpu) => usdPerMark(cpu.performanceValue.dollarPerMarkSingle),
    csv: (cpu) => cpu.performanceValue.dollarPerMarkSingle,
  },
  {
    id: 'multi',
    label: 'Multi-thread mark',
    head: 'Multi mark',
    sort: 'multi',
    numeric: true,
    width: 108,
    usual: true,
    cell: (cpu, scale) => <MarkBar value={cpu.cpuMarkMulti} most={scale.multi} />,
    csv: (cpu) => cpu.cpuMarkMulti,
  },
  {
    id: 'single',
    label: 'Single-thread mark',
    head: 'Single mark',
    sort: 'single',
    numeric: true,
    width: 108,
    usual: true,
    cell: (cpu, scale) => <MarkBar value={cpu.cpuMarkSingle} most={scale.single} />,
    csv: (cpu) => cpu.cpuMarkSingle,
  },
  number('cores', 'Cores', 'cores', 66, (cpu) => cpu.cores, true),
  number('threads', 'Threads', 'threads', 78, (cpu) => cpu.threads, true),
  {
    ...number('tdp', 'TDP', 'tdp', 68, (cpu) => cpu.tdpW, true),
    hint: 'Thermal design power',
    cell: (cpu) => (cpu.tdpW === null ? whole(null) : `${whole(cpu.tdpW)} W`),
  },
  {
    ...number('year', 'Year', 'year', 62, (cpu) => cpu.releaseYear, true),
    cell: (cpu) => cpu.releaseYear ?? whole(null),
  },
  text('socket', 'Socket', 'socket', 108, (cpu) => cpu.socket),
  { ...number('listings', 'Listings', undefined, 76, (cpu) => cpu.listingsCount), hint: 'Active listings' },
  text('maker', 'Maker', 'maker', 96, (cpu) => cpu.manufacturer),
  text('type', 'Category', 'type', 96, (cpu) => cpu.category),
  text('igpuModel', 'Graphics', undefined, 190, (cpu) => cpu.igpuModel),
  number('igpu', 'Graphics mark', 'igpu', 116, (cpu) => cpu.igpuMark),
  {
    ...number('prices', 'Prices', 'prices', 76, (cpu) => cpu.priceTarget.sampleSize),
    hint: 'Active prices that the price target rests on',
  },
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
  return facts.filter((fact) => fact !== null).join(' · ') || 'No specifications known';
}

export const betterThan = (percentile: number | null) => percent(percentile === null ? null : 100 - percentile);

function number(
  id: string,
  label: string,
  sort: SortName | undefined,
  width: number,
  of: (cpu: Cpu) => number | null,
  usual = false,
): Column {
  const column = { id, label, numeric: true, width, usual, cell: (cpu: Cpu) => whole(of(cpu)), csv: of };
  return sort === undefined ? column : { ...column, sort };
}

function text(
  id: string,
  label: string,
  sort: SortName | undefined,
  width: number,
  of: (cpu: Cpu) => string | null,
  usual = false,
): Column {
  const column = { id, label, width, usual, cell: (cpu: Cpu) => of(cpu) ?? whole(null), csv: of };
  return sort === undefined ? column : { ...column, sort };
}
