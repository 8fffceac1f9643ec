import type { ValueRating } from '../gql/graphql';

/** Best first. */
export const ratingWords: Record<ValueRating, string> = {
  EXCELLENT: 'Excellent',
  GOOD: 'Good',
  FAIR: 'Fair',
  POOR: 'Poor',
};

export const ratings = Object.keys(ratingWords) as ValueRating[];
