// The points of the map: those that a view shows, and which of them are on the frontier.
import type { PriceMapQuery, ValueRating } from '../gql/graphql';
import { ratings } from '../cpu/ratings';
import type { SearchParams } from '../lib/searchParams';

export type Given = PriceMapQuery['priceMap'][number];
/** A CPU with its price, USD, and the mark that the view is about. */
export type Point = Given & { mark: number };

export type MarkKind = 'multi' | 'single';

export interface View {
  mark: MarkKind;
  /** None stands for all. */
  makers: string[];
  ratings: ValueRating[];
  /** Slug of a CPU that is pointed at. */
  cpu: string | undefined;
}

const list = (value: string | string[] | undefined) => [value ?? []].flat();

export function readView(search: SearchParams): View {
  return {
    mark: search.mark === 'single' ? 'single' : 'multi',
    makers: list(search.maker),
    ratings: ratings.filter((each) => list(search.rating).includes(each.toLowerCase())),
    cpu: list(search.cpu)[0],
  };
}

export function writeView(view: View): SearchParams {
  return {
    ...(view.mark === 'single' ? { mark: 'single' } : {}),
    ...(view.makers.length > 0 ? { maker: view.makers } : {}),
    ...(view.ratings.length > 0 ? { rating: view.ratings.map((each) => each.toLowerCase()) } : {}),
    ...(view.cpu ? { cpu: view.cpu } : {}),
  };
}

/** Those with the mark and a price above 0: the axes are logarithmic. */
export function marked(given: Given[], kind: MarkKind): Point[] {
  return given.flatMap((each) => {
    const mark = kind === 'multi' ? each.cpuMarkMulti : each.cpuMarkSingle;
    return mark && each.price > 0 ? [{ ...each, mark }] : [];
  });
}

export function filtered(points: Point[], view: Pick<View, 'makers' | 'ratings'>): Point[] {
  return points.filter(
    (point) =>
      (view.makers.length === 0 || view.makers.includes(point.manufacturer)) &&
      (view.ratings.length === 0 || (point.rating !== null && view.ratings.includes(point.rating))),
  );
}

/**
 * The Pareto frontier, cheapest first: no other point costs at most as much, has at least the mark, and is better in one
 * of the two.
 */
export function frontier(points: Point[]): Point[] {
  const ordered = points.toSorted((one, other) => one.price - other.price || other.mark - one.mark);
  const found: Point[] = [];
  for (const point of ordered) {
    const best = found.at(-1);
    if (best === undefined || point.mark > best.mark) found.push(point);
    else if (point.mark === best.mark && point.price === best.price) found.push(point);
  }
  return found;
}

export function countBy<K>(points: Point[], key: (point: Point) => K): Map<K, number> {
  const counts = new Map<K, number>();
  for (const point of points) counts.set(key(point), (counts.get(key(point)) ?? 0) + 1);
  return counts;
}
