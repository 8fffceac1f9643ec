// Points of the map: address of the view, filters, and the frontier.
import type { PriceMapQuery, ValueRating } from '../gql/graphql';
import { ratings } from '../cpu/ratings';
import type { SearchParams } from '../lib/searchParams';

export type PricePoint = PriceMapQuery['priceMap'][number];
/** A CPU with its price in USD and the mark of the y axis. */
export type MapPoint = PricePoint & { mark: number };

export type MarkKind = 'multi' | 'single';

export interface MapView {
  mark: MarkKind;
  /** Empty for all manufacturers. */
  manufacturers: string[];
  ratings: ValueRating[];
  /** Slug of the highlighted CPU. */
  cpu: string | undefined;
}

const asList = (value: string | string[] | undefined) => [value ?? []].flat();

export function readMapView(search: SearchParams): MapView {
  return {
    mark: search.mark === 'single' ? 'single' : 'multi',
    manufacturers: asList(search.maker),
    ratings: ratings.filter((point) => asList(search.rating).includes(point.toLowerCase())),
    cpu: asList(search.cpu)[0],
  };
}

export function writeMapView(view: MapView): SearchParams {
  return {
    ...(view.mark === 'single' ? { mark: 'single' } : {}),
    ...(view.manufacturers.length > 0 ? { maker: view.manufacturers } : {}),
    ...(view.ratings.length > 0 ? { rating: view.ratings.map((point) => point.toLowerCase()) } : {}),
    ...(view.cpu ? { cpu: view.cpu } : {}),
  };
}

/** Return the points that have the mark and a price above 0, because the axes are logarithmic. */
export function withMark(pricePoints: PricePoint[], markKind: MarkKind): MapPoint[] {
  return pricePoints.flatMap((point) => {
    const mark = markKind === 'multi' ? point.cpuMarkMulti : point.cpuMarkSingle;
    return mark && point.price > 0 ? [{ ...point, mark }] : [];
  });
}

export function filterPoints(points: MapPoint[], view: Pick<MapView, 'manufacturers' | 'ratings'>): MapPoint[] {
  return points.filter(
    (point) =>
      (view.manufacturers.length === 0 || view.manufacturers.includes(point.manufacturer)) &&
      (view.ratings.length === 0 || (point.rating !== null && view.ratings.includes(point.rating))),
  );
}

/**
 * Return the Pareto frontier, cheapest first: no other point is at least as good in both price and mark and better in
 * one.
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
