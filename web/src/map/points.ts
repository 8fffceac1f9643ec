// The points of the map: those that a view shows, and which of them are on the frontier.
import type { PriceMapQuery, ValueRating } from '../gql/graphql';
import { ratings } from '../cpu/ratings';
import type { SearchParams } from '../lib/searchParams';

export type PricePoint = PriceMapQuery['priceMap'][number];
/** A CPU with its price, USD, and the mark that the view is about. */
export type MapPoint = PricePoint & { mark: number };

export type MarkKind = 'multi' | 'single';

export interface MapView {
  mark: MarkKind;
  /** None stands for all. */
  makers: string[];
  ratings: ValueRating[];
  /** Slug of a CPU that is pointed at. */
  cpu: string | undefined;
}

const asList = (value: string | string[] | undefined) => [value ?? []].flat();

export function readMapView(search: SearchParams): MapView {
  return {
    mark: search.mark === 'single' ? 'single' : 'multi',
    makers: asList(search.maker),
    ratings: ratings.filter((point) => asList(search.rating).includes(point.toLowerCase())),
    cpu: asList(search.cpu)[0],
  };
}

export function writeMapView(view: MapView): SearchParams {
  return {
    ...(view.mark === 'single' ? { mark: 'single' } : {}),
    ...(view.makers.length > 0 ? { maker: view.makers } : {}),
    ...(view.ratings.length > 0 ? { rating: view.ratings.map((point) => point.toLowerCase()) } : {}),
    ...(view.cpu ? { cpu: view.cpu } : {}),
  };
}

/** Those with the mark and a price above 0: the axes are logarithmic. */
export function withMark(pricePoints: PricePoint[], markKind: MarkKind): MapPoint[] {
  return pricePoints.flatMap((point) => {
    const mark = markKind === 'multi' ? point.cpuMarkMulti : point.cpuMarkSingle;
    return mark && point.price > 0 ? [{ ...point, mark }] : [];
  });
}

export function filterPoints(points: MapPoint[], view: Pick<MapView, 'makers' | 'ratings'>): MapPoint[] {
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
export function paretoFrontier(points: MapPoint[]): MapPoint[] {
  const ordered = points.toSorted((one, other) => one.price - other.price || other.mark - one.mark);
  const frontier: MapPoint[] = [];
  for (const point of ordered) {
    const last = frontier.at(-1);
    if (last === undefined || point.mark > last.mark) frontier.push(point);
    else if (point.mark === last.mark && point.price === last.price) frontier.push(point);
  }
  return frontier;
}

export function countBy<K>(points: MapPoint[], key: (point: MapPoint) => K): Map<K, number> {
  const counts = new Map<K, number>();
  for (const point of points) counts.set(key(point), (counts.get(key(point)) ?? 0) + 1);
  return counts;
}
