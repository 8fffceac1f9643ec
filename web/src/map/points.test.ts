import { expect, test } from 'vitest';
import { filterPoints, paretoFrontier, withMark, type MapPoint, readMapView, writeMapView } from './points';

const point = (slug: string, price: number, mark: number, rest: Partial<MapPoint> = {}): MapPoint => ({
  __typename: 'PricePoint',
  name: slug,
  slug,
  manufacturer: 'AMD',
  price,
  cpuMarkMulti: mark,
  cpuMarkSingle: null,
  rating: 'GOOD',
  mark,
  ...rest,
});
const slugs = (points: MapPoint[]) => points.map((point) => point.slug);

test('the frontier has the points that no other point beats in price and mark', () => {
  const points = [point('dear', 300, 900), point('cheap', 10, 100), point('beaten', 20, 90), point('middle', 50, 500)];
  expect(slugs(paretoFrontier(points))).toEqual(['cheap', 'middle', 'dear']);
});

test('of points with equal price or mark the frontier has the better one, and both if they are equal', () => {
  const points = [point('slower', 10, 90), point('one', 10, 100), point('twin', 10, 100), point('dearer', 11, 100)];
  expect(slugs(paretoFrontier(points))).toEqual(['one', 'twin']);
  expect(paretoFrontier([])).toEqual([]);
});

test('points without a mark or price are left out', () => {
  const points = [point('free', 0, 5), point('unmarked', 5, 0), point('drawn', 5, 5)];
  expect(slugs(withMark(points, 'multi'))).toEqual(['drawn']);
  expect(withMark(points, 'single')).toEqual([]);
});

test('filters select by manufacturer and rating, and empty filters select all', () => {
  const points = [point('a', 1, 1), point('b', 1, 1, { manufacturer: 'Intel' }), point('c', 1, 1, { rating: null })];
  expect(slugs(filterPoints(points, { manufacturers: [], ratings: [] }))).toEqual(['a', 'b', 'c']);
  expect(slugs(filterPoints(points, { manufacturers: ['Intel'], ratings: [] }))).toEqual(['b']);
  expect(slugs(filterPoints(points, { manufacturers: ['AMD', 'Intel'], ratings: ['GOOD'] }))).toEqual(['a', 'b']);
});

test('a view is read from its address and written to it', () => {
  const view = readMapView({ mark: 'single', maker: ['AMD', 'Intel'], rating: 'good', cpu: 'x', odd: '1' });
  expect(view).toEqual({ mark: 'single', manufacturers: ['AMD', 'Intel'], ratings: ['GOOD'], cpu: 'x' });
  expect(writeMapView(view)).toEqual({ mark: 'single', maker: ['AMD', 'Intel'], rating: ['good'], cpu: 'x' });
  expect(writeMapView(readMapView({ mark: 'odd', rating: 'odd' }))).toEqual({});
});
