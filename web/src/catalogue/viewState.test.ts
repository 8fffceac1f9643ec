import { describe, expect, test } from 'vitest';
import {
  applyChange,
  countFilters,
  readCatalogueView,
  toggleSort,
  withoutFilters,
  type CatalogueView,
  listVariables,
  writeCatalogueView,
} from './viewState';

const defaultView = readCatalogueView({});

describe('the address of a view', () => {
  test('is empty for the default view', () => {
    expect(writeCatalogueView(defaultView)).toEqual({});
  });

  test('contains every part of the view', () => {
    const view: CatalogueView = {
      search: 'i5, 8500t & more',
      withListings: true,
      graphics: false,
      maker: ['Intel'],
      socket: ['LGA1151', 'a, b'],
      rating: ['EXCELLENT', 'GOOD'],
      type: ['Desktop'],
      cores: { min: 4, max: 16 },
      tdp: { max: 65 },
      year: { min: 2018 },
      multi: { min: 5000 },
      single: { min: 0 },
      igpu: { max: 3000 },
      price: { min: 9.5, max: 120 },
      sort: [
        { by: 'multi', descending: true },
        { by: 'price', descending: false },
      ],
      layout: 'split',
      size: 'endless',
      columns: ['name', 'price'],
      after: 'cursor',
      before: undefined,
      page: 3,
      selected: 'amd-ryzen',
    };
    expect(readCatalogueView(writeCatalogueView(view))).toEqual(view);
  });

  test.each([
    { size: '7', view: 'round', sort: 'nonsense,-nonsense', page: '-3', graphics: 'perhaps' },
    { cores: 'a-b', tdp: '-', price: '1e9-', year: '2018' },
    { cores: '4.5-', tdp: '-99999999999', price: '9-2', rating: 'GREAT' },
  ])('with invalid values is the default view: %j', (search) => {
    expect(readCatalogueView(search)).toEqual(defaultView);
  });

  test('ignores repeated sort keys and those after the fifth', () => {
    const { sort } = readCatalogueView({ sort: 'name,-name,cores,tdp,year,multi,single' });
    expect(sort.map((key) => key.by)).toEqual(['name', 'cores', 'tdp', 'year', 'multi']);
  });
});

describe('query variables', () => {
  test('of a previous page are the last rows before its cursor', () => {
    const view = { ...defaultView, after: 'a', before: 'b', size: 25 as const };
    expect(listVariables(view)).toMatchObject({ last: 25, before: 'b' });
    expect(listVariables(view)).not.toHaveProperty('after');
  });

  test('have a trimmed search text of at most 200 characters', () => {
    expect(listVariables({ ...defaultView, search: '  i5 ' }).filter).toEqual({ search: 'i5' });
    expect(listVariables({ ...defaultView, search: '   ' }).filter).toBeUndefined();
    expect(listVariables({ ...defaultView, search: 'x'.repeat(300) }).filter?.search).toHaveLength(200);
  });
});

describe('a changed view', () => {
  test('starts on the first page', () => {
    expect(applyChange({ ...defaultView, after: 'a', page: 4 }, { search: 'x' })).toEqual({
      ...defaultView,
      search: 'x',
    });
  });

  test('without filters keeps order and layout', () => {
    const view = readCatalogueView({
      q: 'x',
      maker: 'AMD',
      cores: '4-',
      listings: 'yes',
      graphics: 'yes',
      view: 'grid',
    });
    expect(countFilters(view)).toBe(4);
    expect(writeCatalogueView(withoutFilters(view))).toEqual({ view: 'grid' });
  });
});

describe('a click on a column header', () => {
  const byName = [{ by: 'name' as const, descending: false }];

  test('sorts by the column, in descending order where high values are better', () => {
    expect(toggleSort(byName, 'multi', false)).toEqual([{ by: 'multi', descending: true }]);
    expect(toggleSort(byName, 'price', false)).toEqual([{ by: 'price', descending: false }]);
  });

  test('reverses the order', () => {
    expect(toggleSort(byName, 'name', false)).toEqual([{ by: 'name', descending: true }]);
  });

  test('with Shift adds the column, reverses it, and removes it', () => {
    const two = toggleSort(byName, 'cores', true);
    expect(two).toEqual([...byName, { by: 'cores', descending: true }]);
    const turned = toggleSort(two, 'cores', true);
    expect(turned).toEqual([...byName, { by: 'cores', descending: false }]);
    expect(toggleSort(turned, 'cores', true)).toEqual(byName);
  });
});
