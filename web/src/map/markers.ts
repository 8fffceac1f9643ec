import type { ValueRating } from '../gql/graphql';

/** Path of a rating's marker around a point: disc, square, triangle, cross. `r` is half of its size in px. */
export function markerPath(rating: ValueRating | null, x: number, y: number, r: number): string {
  const start = `M${round(x)} ${round(y)}`;
  switch (rating) {
    case 'EXCELLENT':
      return `${start}m${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`;
    case 'GOOD':
      return `${start}m${-r * 0.88} ${-r * 0.88}h${r * 1.76}v${r * 1.76}h${-r * 1.76}z`;
    case 'FAIR':
      return `${start}m0 ${-r * 1.1}l${r * 1.1} ${r * 1.9}h${-r * 2.2}z`;
    default:
      return `${start}m${-r * 0.8} ${-r * 0.8}l${r * 1.6} ${r * 1.6}m0 ${-r * 1.6}l${-r * 1.6} ${r * 1.6}`;
  }
}

const round = (value: number) => Math.round(value * 10) / 10;
