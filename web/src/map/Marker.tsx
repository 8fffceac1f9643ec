import type { ValueRating } from '../gql/graphql';
import { markerPath } from './markers';
import styles from './Marker.module.css';

/** Marker of a rating, for the legend. */
export function Marker({ rating }: { rating: ValueRating }) {
  return (
    <svg className={undefined} width="12" height="12" viewBox="0 0 12 12" aria-hidden="true">
      <path className={`${styles.points} ${styles[rating.toLowerCase()]}`} d={markerPath(rating, 6, 6, 3.6)} />
    </svg>
  );
}
