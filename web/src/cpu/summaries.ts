// What figures of a CPU mean, in words.
import { since, usd, usdPerMark, whole } from '../lib/format';
import type { CpuDetailsQuery } from '../gql/graphql';
import { confidenceInWords } from './Indicators';

export type Cpu = NonNullable<CpuDetailsQuery['cpu']>;
export type Offer = Cpu['listings']['nodes'][number];

const prices = (count: number) => (count === 1 ? '1 active price' : `${whole(count)} active prices`);

/** What its performance costs, and how many CPUs cost more for theirs. */
export function valueInWords(perMark: number | null, percentile: number | null, kind: string): string {
  if (percentile === null) return `No value: it needs a ${kind} mark and an active price.`;
  const rank =
    percentile === 0
      ? 'the best value of all CPUs on offer'
      : `better value than ${Math.round(100 - percentile)}\u00a0% of the CPUs on offer`;
  return `${usdPerMark(perMark)} per ${kind} mark: ${rank}.`;
}

/** How far the targets can be trusted, and from when they are. */
export function targetInWords({ confidence, sampleSize, updatedAt }: Cpu['priceTarget']): string {
  const age = updatedAt === null ? 'not computed yet' : `computed ${since(updatedAt)}`;
  if (confidence === 'INSUFFICIENT') return `From ${prices(sampleSize)}, ${age}.`;
  return `From ${prices(sampleSize)} (${confidenceInWords(confidence)}), ${age}.`;
}

/** What has to be minded before the targets are used; undefined when nothing. */
export function warningInWords({ confidence, sampleSize, highVariance, stddev, good }: Cpu['priceTarget']) {
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
      text: `Prices differ by ${usd(stddev)} around the mean, ${Math.round((stddev / good) * 100)} % of it. Often these are different things under one name: look at condition and what comes with an offer.`,
    };
  if (confidence === 'LOW')
    return { title: 'Few prices', text: 'A single new offer may move these targets a good deal.' };
  return undefined;
}

export const conditions: Record<Offer['condition'], string> = {
  NEW: 'New',
  OPEN_BOX: 'Open box',
  REFURBISHED: 'Refurbished',
  USED: 'Used',
  FOR_PARTS: 'For parts',
  UNKNOWN: 'Condition not told',
};
