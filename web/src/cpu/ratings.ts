import type { ValueRating } from '../gql/graphql';

/** Ratings, best first. */
export const ratingLabels: Record<ValueRating, string> = {
  EXCELLENT: 'Excellent',
  GOOD: 'Good',
  FAIR: 'Fair',
  POOR: 'Poor',
};

export const ratings = Object.keys(ratingLabels) as ValueRating[];
