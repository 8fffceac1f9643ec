// Rows of the comparison: the compared values, their format, and which value is better.
import type { ReactNode } from 'react';
import { Confidence, Rating } from '../cpu/Indicators';
import { formatPercent, formatUsd, formatUsdPerMark, formatInteger } from '../lib/format';
import type { CompareCpusQuery } from '../gql/graphql';

export type ComparedCpu = NonNullable<CompareCpusQuery['cpusBySlugs'][number]>;

export interface ComparisonRow {
  label: string;
  hint?: string;
  /** The compared value; null if unknown. */
  value: (cpu: ComparedCpu) => number | string | null;
  /** How the value is shown; the default is the value itself. */
  format?: (cpu: ComparedCpu) => ReactNode;
  better?: 'high' | 'low';
  /** Whether a bar shows the value relative to the largest of the row. */
  bar?: boolean;
}

export const rowGroups: { title: string; rows: ComparisonRow[] }[] = [
  {
    title: 'Price',
    rows: [
      {
        label: 'Great price',
        better: 'low',
        value: (cpu) => cpu.priceTarget.great,
        format: (cpu) => formatUsd(cpu.priceTarget.great),
      },
      {
        label: 'Good price',
        better: 'low',
        value: (cpu) => cpu.priceTarget.good,
        format: (cpu) => (
          <>
            {formatUsd(cpu.priceTarget.good)} <Confidence target={cpu.priceTarget} />
          </>
        ),
      },
      {
        label: 'Fair price',
        better: 'low',
        value: (cpu) => cpu.priceTarget.fair,
        format: (cpu) => formatUsd(cpu.priceTarget.fair),
      },
      {
        label: 'Lowest now',
        better: 'low',
        value: (cpu) => cpu.priceLows?.current ?? null,
        format: (cpu) => formatUsd(cpu.priceLows?.current),
      },
      {
        label: 'All-time low',
        better: 'low',
        value: (cpu) => cpu.priceLows?.allTimeLow.price ?? null,
        format: (cpu) => formatUsd(cpu.priceLows?.allTimeLow.price),
      },
      { label: 'Listings', value: (cpu) => cpu.listingsCount, format: (cpu) => formatInteger(cpu.listingsCount) },
    ],
  },
  {
    title: 'Value',
    rows: [
      {
        label: 'Rating',
        value: (cpu) => cpu.performanceValue.rating,
        format: (cpu) => <Rating rating={cpu.performanceValue.rating} />,
      },
      {
        label: 'Better value than',
        hint: 'Share of the CPUs on offer, by $ per multi-thread mark',
        better: 'low',
        value: (cpu) => cpu.performanceValue.percentile,
        format: ({ performanceValue: { percentile } }) => `${formatPercent(100 - (percentile ?? 100))} of CPUs`,
      },
      {
        label: '$ per multi-thread mark',
        better: 'low',
        value: (cpu) => cpu.performanceValue.dollarPerMarkMulti,
        format: (cpu) => formatUsdPerMark(cpu.performanceValue.dollarPerMarkMulti),
      },
      {
        label: '$ per single-thread mark',
        better: 'low',
        value: (cpu) => cpu.performanceValue.dollarPerMarkSingle,
        format: (cpu) => formatUsdPerMark(cpu.performanceValue.dollarPerMarkSingle),
      },
    ],
  },
  {
    title: 'Performance',
    rows: [
      {
        label: 'Multi-thread mark',
        better: 'high',
        bar: true,
        value: (cpu) => cpu.cpuMarkMulti,
        format: (cpu) => formatInteger(cpu.cpuMarkMulti),
      },
      {
        label: 'Single-thread mark',
        better: 'high',
        bar: true,
        value: (cpu) => cpu.cpuMarkSingle,
        format: (cpu) => formatInteger(cpu.cpuMarkSingle),
      },
      {
        label: 'Graphics mark',
        better: 'high',
        bar: true,
        value: (cpu) => cpu.igpuMark,
        format: (cpu) => formatInteger(cpu.igpuMark),
      },
    ],
  },
  {
    title: 'Specifications',
    rows: [
      { label: 'Maker', value: (cpu) => cpu.manufacturer },
      { label: 'Category', value: (cpu) => cpu.category },
      { label: 'Socket', value: (cpu) => cpu.socket },
      { label: 'Cores', better: 'high', value: (cpu) => cpu.cores, format: (cpu) => formatInteger(cpu.cores) },
      { label: 'Threads', better: 'high', value: (cpu) => cpu.threads, format: (cpu) => formatInteger(cpu.threads) },
      {
        label: 'TDP',
        better: 'low',
        value: (cpu) => cpu.tdpW,
        format: (cpu) => (cpu.tdpW === null ? null : `${formatInteger(cpu.tdpW)} W`),
      },
      { label: 'Year', better: 'high', value: (cpu) => cpu.releaseYear },
      { label: 'Graphics', value: (cpu) => cpu.igpuModel },
    ],
  },
];

/** Return which columns have the best value: none if all are equal or fewer than two are known. */
export function bestColumns(row: ComparisonRow, cpus: ComparedCpu[]): boolean[] {
  const values = cpus.map(row.value);
  const known = values.filter((value) => typeof value === 'number');
  if (row.better === undefined || known.length < 2 || new Set(known).size < 2) return values.map(() => false);
  const best = row.better === 'high' ? Math.max(...known) : Math.min(...known);
  return values.map((value) => value === best);
}

export const allEqual = (row: ComparisonRow, cpus: ComparedCpu[]): boolean => new Set(cpus.map(row.value)).size < 2;
