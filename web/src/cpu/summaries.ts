// Sentences about the figures of a CPU.
import { formatAge, formatUsd, formatUsdPerMark, formatInteger } from '../lib/format';
import type { CpuDetailsQuery } from '../gql/graphql';
import { confidenceLabel } from './Indicators';

export type DetailedCpu = NonNullable<CpuDetailsQuery['cpu']>;
export type CpuListing = DetailedCpu['listings']['nodes'][number];

const countPrices = (count: number) => (count === 1 ? '1 active price' : `${formatInteger(count)} active prices`);

/** Describe the price per mark, and the share of CPUs that cost more per mark. */
export function valueSummary(perMark: number | null, percentile: number | null, kind: string): string {
  if (percentile === null) return `No value: it needs a ${kind} mark and an active price.`;
  const rank =
    percentile === 0
      ? 'the best value of all CPUs on offer'
      : `better value than ${Math.round(100 - percentile)}\u00a0% of the CPUs on offer`;
  return `${formatUsdPerMark(perMark)} per ${kind} mark: ${rank}.`;
}

/** Describe how reliable the price targets are, and their age. */
export function targetSummary({ confidence, sampleSize, updatedAt }: DetailedCpu['priceTarget']): string {
  const age = updatedAt === null ? 'not computed yet' : `computed ${formatAge(updatedAt)}`;
  if (confidence === 'INSUFFICIENT') return `From ${countPrices(sampleSize)}, ${age}.`;
  return `From ${countPrices(sampleSize)} (${confidenceLabel(confidence)}), ${age}.`;
}

/** Return a warning about the price targets, or undefined. */
export function targetWarning({ confidence, sampleSize, highVariance, stddev, good }: DetailedCpu['priceTarget']) {
  if (confidence === 'INSUFFICIENT')
    return {
      title: 'Not enough prices',
      text: `${
        sampleSize === 0 ? 'It has no active price' : 'Only one active price is known'
      }. A target needs at least two, so that it does not depend on one seller.`,
    };
  if (highVariance && stddev !== null && good !== null)
    return {
      title: 'Wide range',
      text: `The standard deviation is ${formatUsd(stddev)}, ${Math.round((stddev / good) * 100)} % of the mean. Different products may share this name: check the condition and what is included.`,
    };
  if (confidence === 'LOW')
    return { title: 'Few prices', text: 'One new listing can change these targets considerably.' };
  return undefined;
}

export const listingConditionLabels: Record<CpuListing['condition'], string> = {
  NEW: 'New',
  OPEN_BOX: 'Open box',
  REFURBISHED: 'Refurbished',
  USED: 'Used',
  FOR_PARTS: 'For parts',
  UNKNOWN: 'Condition unknown',
};
