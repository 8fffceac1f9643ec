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
  test('is empty for the usual view', () => {
    expect(writeCatalogueView(defaultView)).toEqual({});
  });

  test('holds everything', () => {
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
  ])('that cannot be read is the usual one: %j', (search) => {
    expect(readCatalogueView(search)).toEqual(defaultView);
  });

  test('takes a key of the order once, and five at most', () => {
    const { sort } = readCatalogueView({ sort: 'name,-name,cores,tdp,year,multi,single' });
    expect(sort.map((key) => key.by)).toEqual(['name', 'cores', 'tdp', 'year', 'multi']);
  });
});

describe('what is asked for', () => {
  test('a page before another is the last rows before its cursor', () => {
    const view = { ...defaultView, after: 'a', before: 'b', size: 25 as const };
    expect(listVariables(view)).toMatchObject({ last: 25, before: 'b' });
    expect(listVariables(view)).not.toHaveProperty('after');
  });

  test('words are trimmed and no longer than the API takes', () => {
    expect(listVariables({ ...defaultView, search: '  i5 ' }).filter).toEqual({ search: 'i5' });
    expect(listVariables({ ...defaultView, search: '   ' }).filter).toBeUndefined();
    expect(listVariables({ ...defaultView, search: 'x'.repeat(300) }).filter?.search).toHaveLength(200);
  });
});

describe('another view', () => {
  test('starts on the first page', () => {
    expect(applyChange({ ...defaultView, after: 'a', page: 4 }, { search: 'x' })).toEqual({
      ...defaultView,
      search: 'x',
    });
  });

  test('without conditions keeps order and looks', () => {
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

describe('a click on a column', () => {
  const byName = [{ by: 'name' as const, descending: false }];

  test('orders by it, high figures first where those are looked for', () => {
    expect(toggleSort(byName, 'multi', false)).toEqual([{ by: 'multi', descending: true }]);
    expect(toggleSort(byName, 'price', false)).toEqual([{ by: 'price', descending: false }]);
  });

  test('turns it round', () => {
    expect(toggleSort(byName, 'name', false)).toEqual([{ by: 'name', descending: true }]);
  });

  test('with Shift adds it, turns it, and takes it away', () => {
    const two = toggleSort(byName, 'cores', true);
    expect(two).toEqual([...byName, { by: 'cores', descending: true }]);
    const turned = toggleSort(two, 'cores', true);
    expect(turned).toEqual([...byName, { by: 'cores', descending: false }]);
    expect(toggleSort(turned, 'cores', true)).toEqual(byName);
  });
});
