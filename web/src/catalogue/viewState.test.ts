import { describe, expect, test } from 'vitest';
import { changed, conditions, readView, sortedBy, unfiltered, type View, variables, writeView } from './viewState';

const usual = readView({});

describe('the address of a view', () => {
  test('is empty for the usual view', () => {
    expect(writeView(usual)).toEqual({});
  });

  test('holds everything', () => {
    const view: View = {
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
    expect(readView(writeView(view))).toEqual(view);
  });

  test.each([
    { size: '7', view: 'round', sort: 'nonsense,-nonsense', page: '-3', graphics: 'perhaps' },
    { cores: 'a-b', tdp: '-', price: '1e9-', year: '2018' },
    { cores: '4.5-', tdp: '-99999999999', price: '9-2', rating: 'GREAT' },
  ])('that cannot be read is the usual one: %j', (search) => {
    expect(readView(search)).toEqual(usual);
  });

  test('takes a key of the order once, and five at most', () => {
    const { sort } = readView({ sort: 'name,-name,cores,tdp,year,multi,single' });
    expect(sort.map((key) => key.by)).toEqual(['name', 'cores', 'tdp', 'year', 'multi']);
  });
});

describe('what is asked for', () => {
  test('a page before another is the last rows before its cursor', () => {
    const view = { ...usual, after: 'a', before: 'b', size: 25 as const };
    expect(variables(view)).toMatchObject({ last: 25, before: 'b' });
    expect(variables(view)).not.toHaveProperty('after');
  });

  test('words are trimmed and no longer than the API takes', () => {
    expect(variables({ ...usual, search: '  i5 ' }).filter).toEqual({ search: 'i5' });
    expect(variables({ ...usual, search: '   ' }).filter).toBeUndefined();
    expect(variables({ ...usual, search: 'x'.repeat(300) }).filter?.search).toHaveLength(200);
  });
});

describe('another view', () => {
  test('starts on the first page', () => {
    expect(changed({ ...usual, after: 'a', page: 4 }, { search: 'x' })).toEqual({ ...usual, search: 'x' });
  });

  test('without conditions keeps order and looks', () => {
    const view = readView({ q: 'x', maker: 'AMD', cores: '4-', listings: 'yes', graphics: 'yes', view: 'grid' });
    expect(conditions(view)).toBe(4);
    expect(writeView(unfiltered(view))).toEqual({ view: 'grid' });
  });
});

describe('a click on a column', () => {
  const byName = [{ by: 'name' as const, descending: false }];

  test('orders by it, high figures first where those are looked for', () => {
    expect(sortedBy(byName, 'multi', false)).toEqual([{ by: 'multi', descending: true }]);
    expect(sortedBy(byName, 'price', false)).toEqual([{ by: 'price', descending: false }]);
  });

  test('turns it round', () => {
    expect(sortedBy(byName, 'name', false)).toEqual([{ by: 'name', descending: true }]);
  });

  test('with Shift adds it, turns it, and takes it away', () => {
    const two = sortedBy(byName, 'cores', true);
    expect(two).toEqual([...byName, { by: 'cores', descending: true }]);
    const turned = sortedBy(two, 'cores', true);
    expect(turned).toEqual([...byName, { by: 'cores', descending: false }]);
    expect(sortedBy(turned, 'cores', true)).toEqual(byName);
  });
});
