// The lines of the comparison: what is shown, and which way it is better.
import type { ReactNode } from 'react';
import { Confidence, Rating } from '../cpu/Indicators';
import { percent, usd, usdPerMark, whole } from '../lib/format';
import type { CompareCpusQuery } from '../gql/graphql';

export type Cpu = NonNullable<CompareCpusQuery['cpusBySlugs'][number]>;

export interface Line {
  label: string;
  hint?: string;
  /** What is compared; null where it is not known. */
  value: (cpu: Cpu) => number | string | null;
  /** As it is shown; the value itself unless told. */
  show?: (cpu: Cpu) => ReactNode;
  better?: 'high' | 'low';
  /** Drawn as a bar, to the most of its line. */
  bar?: boolean;
}

export const groups: { title: string; lines: Line[] }[] = [
  {
    title: 'Price',
    lines: [
      {
        label: 'Great price',
        better: 'low',
        value: (cpu) => cpu.priceTarget.great,
        show: (cpu) => usd(cpu.priceTarget.great),
      },
      {
        label: 'Good price',
        better: 'low',
        value: (cpu) => cpu.priceTarget.good,
        show: (cpu) => (
          <>
            {usd(cpu.priceTarget.good)} <Confidence target={cpu.priceTarget} />
          </>
        ),
      },
      {
        label: 'Fair price',
        better: 'low',
        value: (cpu) => cpu.priceTarget.fair,
        show: (cpu) => usd(cpu.priceTarget.fair),
      },
      {
        label: 'Lowest now',
        better: 'low',
        value: (cpu) => cpu.priceLows?.current ?? null,
        show: (cpu) => usd(cpu.priceLows?.current),
      },
      {
        label: 'All-time low',
        better: 'low',
        value: (cpu) => cpu.priceLows?.allTimeLow.price ?? null,
        show: (cpu) => usd(cpu.priceLows?.allTimeLow.price),
      },
      { label: 'Listings', value: (cpu) => cpu.listingsCount, show: (cpu) => whole(cpu.listingsCount) },
    ],
  },
  {
    title: 'Value',
    lines: [
      {
        label: 'Rating',
        value: (cpu) => cpu.performanceValue.rating,
        show: (cpu) => <Rating rating={cpu.performanceValue.rating} />,
      },
      {
        label: 'Better value than',
        hint: 'Share of the CPUs on offer, by $ per multi-thread mark',
        better: 'low',
        value: (cpu) => cpu.performanceValue.percentile,
        show: ({ performanceValue: { percentile } }) => `${percent(100 - (percentile ?? 100))} of CPUs`,
      },
      {
        label: '$ per multi-thread mark',
        better: 'low',
        value: (cpu) => cpu.performanceValue.dollarPerMarkMulti,
        show: (cpu) => usdPerMark(cpu.performanceValue.dollarPerMarkMulti),
      },
      {
        label: '$ per single-thread mark',
        better: 'low',
        value: (cpu) => cpu.performanceValue.dollarPerMarkSingle,
        show: (cpu) => usdPerMark(cpu.performanceValue.dollarPerMarkSingle),
      },
    ],
  },
  {
    title: 'Performance',
    lines: [
      {
        label: 'Multi-thread mark',
        better: 'high',
        bar: true,
        value: (cpu) => cpu.cpuMarkMulti,
        show: (cpu) => whole(cpu.cpuMarkMulti),
      },
      {
        label: 'Single-thread mark',
        better: 'high',
        bar: true,
        value: (cpu) => cpu.cpuMarkSingle,
        show: (cpu) => whole(cpu.cpuMarkSingle),
      },
      {
        label: 'Graphics mark',
        better: 'high',
        bar: true,
        value: (cpu) => cpu.igpuMark,
        show: (cpu) => whole(cpu.igpuMark),
      },
    ],
  },
  {
    title: 'Specifications',
    lines: [
      { label: 'Maker', value: (cpu) => cpu.manufacturer },
      { label: 'Category', value: (cpu) => cpu.category },
      { label: 'Socket', value: (cpu) => cpu.socket },
      { label: 'Cores', better: 'high', value: (cpu) => cpu.cores, show: (cpu) => whole(cpu.cores) },
      { label: 'Threads', better: 'high', value: (cpu) => cpu.threads, show: (cpu) => whole(cpu.threads) },
      {
        label: 'TDP',
        better: 'low',
        value: (cpu) => cpu.tdpW,
        show: (cpu) => (cpu.tdpW === null ? null : `${whole(cpu.tdpW)} W`),
      },
      { label: 'Year', better: 'high', value: (cpu) => cpu.releaseYear },
      { label: 'Graphics', value: (cpu) => cpu.igpuModel },
    ],
  },
];

/** Which of the columns are best; none where all are alike, or fewer than two are known. */
export function bestOf(line: Line, cpus: Cpu[]): boolean[] {
  const values = cpus.map(line.value);
  const known = values.filter((value) => typeof value === 'number');
  if (line.better === undefined || known.length < 2 || new Set(known).size < 2) return values.map(() => false);
  const best = line.better === 'high' ? Math.max(...known) : Math.min(...known);
  return values.map((value) => value === best);
}

export const alike = (line: Line, cpus: Cpu[]): boolean => new Set(cpus.map(line.value)).size < 2;
