// What figures of a CPU mean, in words.
import { formatAge, formatUsd, formatUsdPerMark, formatInteger } from '../lib/format';
import type { CpuDetailsQuery } from '../gql/graphql';
import { confidenceLabel } from './Indicators';

export type DetailedCpu = NonNullable<CpuDetailsQuery['cpu']>;
export type CpuListing = DetailedCpu['listings']['nodes'][number];

const countPrices = (count: number) => (count === 1 ? '1 active price' : `${formatInteger(count)} active prices`);

/** What its performance costs, and how many CPUs cost more for theirs. */
export function valueSummary(perMark: number | null, percentile: number | null, kind: string): string {
  if (percentile === null) return `No value: it needs a ${kind} mark and an active price.`;
  const rank =
    percentile === 0
      ? 'the best value of all CPUs on offer'
      : `better value than ${Math.round(100 - percentile)}\u00a0% of the CPUs on offer`;
  return `${formatUsdPerMark(perMark)} per ${kind} mark: ${rank}.`;
}

/** How far the targets can be trusted, and from when they are. */
export function targetSummary({ confidence, sampleSize, updatedAt }: DetailedCpu['priceTarget']): string {
  const age = updatedAt === null ? 'not computed yet' : `computed ${formatAge(updatedAt)}`;
  if (confidence === 'INSUFFICIENT') return `From ${countPrices(sampleSize)}, ${age}.`;
  return `From ${countPrices(sampleSize)} (${confidenceLabel(confidence)}), ${age}.`;
}

/** What has to be minded before the targets are used; undefined when nothing. */
export function targetWarning({ confidence, sampleSize, highVariance, stddev, good }: DetailedCpu['priceTarget']) {
  if (confidence === 'INSUFFICIENT')
    return {
      title: 'Not enough prices',
      text: `${
        sampleSize === 0 ? 'Nobody offers it with a price now' : 'Only one active price is known'
      }. A target needs two, so that it does not repeat what one seller asks.`,
    };
  if (highVariance && stddev !== null && good !== null)
    return {
      title: 'Wide range',
      text: `Prices differ by ${formatUsd(stddev)} around the mean, ${Math.round((stddev / good) * 100)} % of it. Often these are different things under one name: look at condition and what comes with an offer.`,
    };
  if (confidence === 'LOW')
    return { title: 'Few prices', text: 'A single new offer may move these targets a good deal.' };
  return undefined;
}

export const conditionLabels: Record<CpuListing['condition'], string> = {
  NEW: 'New',
  OPEN_BOX: 'Open box',
  REFURBISHED: 'Refurbished',
  USED: 'Used',
  FOR_PARTS: 'For parts',
  UNKNOWN: 'Condition not told',
};
