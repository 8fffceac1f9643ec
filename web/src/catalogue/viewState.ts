// State of the catalogue and its address. The address contains all of it, so a link reproduces the view.
import type { CpuListQueryVariables, CpuFilter, CpuOrderField } from '../gql/graphql';
import { ratings } from '../cpu/ratings';
import type { SearchParams } from '../lib/searchParams';

/** Inclusive range; a missing bound is open. */
export interface Range {
  min?: number | undefined;
  max?: number | undefined;
}

export const layouts = ['list', 'grid', 'split'] as const;
export type Layout = (typeof layouts)[number];

export const pageSizes = [25, 50, 100, 200] as const;
/** `endless` loads more rows while scrolling. */
export type PageSize = (typeof pageSizes)[number] | 'endless';

export interface SortKey {
  by: SortName;
  descending: boolean;
}

export interface CatalogueView extends Partial<Record<RangeName, Range>>, Partial<Record<ListName, string[]>> {
  search: string;
  withListings: boolean;
  /** With or without integrated graphics; undefined for both. */
  graphics: boolean | undefined;
  sort: SortKey[];
  layout: Layout;
  size: PageSize;
  /** Ids of the columns in their order; undefined for the default columns. */
  columns: string[] | undefined;
  /** Cursor of the page, and its number, which is only displayed. */
  after: string | undefined;
  before: string | undefined;
  page: number;
  /** Slug of the CPU shown next to the list. */
  selected: string | undefined;
}

/**
 * Apply a change to the view. `replace` replaces the current history entry, for changes that come in quick succession.
 * `keepPage` keeps the page of the list; without it the list returns to its first page.
 */
export type ChangeView = (change: Partial<CatalogueView>, options?: { replace?: boolean; keepPage?: boolean }) => void;

// Names in the address, and fields of the API.
export const rangeFields = {
  cores: 'cores',
  tdp: 'tdpW',
  year: 'releaseYear',
  multi: 'cpuMarkMulti',
  single: 'cpuMarkSingle',
  igpu: 'igpuMark',
  price: 'price',
} as const satisfies Record<string, keyof CpuFilter>;
export type RangeName = keyof typeof rangeFields;

export const listFields = {
  maker: 'manufacturer',
  socket: 'socket',
  type: 'category',
  rating: 'rating',
} as const satisfies Record<string, keyof CpuFilter>;
export type ListName = keyof typeof listFields;

export const sortFields = {
  name: 'NAME',
  maker: 'MANUFACTURER',
  socket: 'SOCKET',
  type: 'CATEGORY',
  cores: 'CORES',
  threads: 'THREADS',
  tdp: 'TDP_W',
  year: 'RELEASE_YEAR',
  multi: 'CPU_MARK_MULTI',
  single: 'CPU_MARK_SINGLE',
  igpu: 'IGPU_MARK',
  great: 'PRICE_GREAT',
  price: 'PRICE_GOOD',
  fair: 'PRICE_FAIR',
  prices: 'SAMPLE_SIZE',
  value: 'DOLLAR_PER_MARK_MULTI',
  valueSingle: 'DOLLAR_PER_MARK_SINGLE',
} as const satisfies Record<string, CpuOrderField>;
export type SortName = keyof typeof sortFields;

/** Columns that sort in descending order on the first click, because high values are better. */
export const descendingFirst: ReadonlySet<SortName> = new Set([
  'cores',
  'threads',
  'year',
  'multi',
  'single',
  'igpu',
  'prices',
]);

export const MAX_SORT_KEYS = 5;
const defaultSort: SortKey[] = [{ by: 'value', descending: false }];
const ENDLESS_PAGE_SIZE = 100;

/** Read a view from an address. Invalid values are ignored, so that old links keep working. */
export function readCatalogueView(search: SearchParams): CatalogueView {
  const firstValue = (name: string) => [search[name]].flat()[0];
  const oneOf = <T extends string>(value: string | undefined, known: readonly T[]): T | undefined =>
    known.find((item) => item === value);
  const view: CatalogueView = {
    search: firstValue('q') ?? '',
    withListings: firstValue('listings') === 'yes',
    graphics: { yes: true, no: false }[firstValue('graphics') ?? ''],
    sort: readSort(firstValue('sort')),
    layout: oneOf(firstValue('view'), layouts) ?? 'list',
    size:
      firstValue('size') === 'endless'
        ? 'endless'
        : (pageSizes.find((size) => String(size) === firstValue('size')) ?? 50),
    columns: firstValue('columns')?.split(',').filter(Boolean),
    after: firstValue('after'),
    before: firstValue('before'),
    page: Math.max(1, Number.parseInt(firstValue('page') ?? '1', 10) || 1),
    selected: firstValue('cpu'),
  };
  for (const name of keysOf(rangeFields)) {
    const range = readRange(firstValue(name), name === 'price');
    if (range) view[name] = range;
  }
  for (const name of keysOf(listFields)) {
    const requested = [search[name] ?? []].flat().filter(Boolean);
    const values = name === 'rating' ? ratings.filter((rating) => requested.includes(rating)) : requested;
    if (values.length > 0) view[name] = values;
  }
  return view;
}

/** Write a view to an address, without the values that are defaults. */
export function writeCatalogueView(view: CatalogueView): SearchParams {
  const params: Record<string, string | string[] | undefined> = {
    q: view.search || undefined,
    listings: view.withListings ? 'yes' : undefined,
    graphics: view.graphics === undefined ? undefined : view.graphics ? 'yes' : 'no',
    sort: writeSort(view.sort) === writeSort(defaultSort) ? undefined : writeSort(view.sort),
    view: view.layout === 'list' ? undefined : view.layout,
    size: view.size === 50 ? undefined : String(view.size),
    columns: view.columns?.join(','),
    after: view.after,
    before: view.before,
    page: view.page === 1 ? undefined : String(view.page),
    cpu: view.selected,
  };
  for (const name of keysOf(rangeFields)) params[name] = writeRange(view[name]);
  for (const name of keysOf(listFields)) params[name] = view[name]?.length ? view[name] : undefined;
  return Object.fromEntries(
    Object.entries(params).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

/** Change a view and return to the first page of the list. */
export function applyChange(view: CatalogueView, change: Partial<CatalogueView>): CatalogueView {
  return { ...view, after: undefined, before: undefined, page: 1, ...change };
}

/** Return the view without filters and search text. */
export function withoutFilters(view: CatalogueView): CatalogueView {
  const cleared = Object.fromEntries([...keysOf(rangeFields), ...keysOf(listFields)].map((name) => [name, undefined]));
  return applyChange(view, { ...cleared, search: '', withListings: false, graphics: undefined });
}

/** Return the number of active filters, not counting the search text. */
export function countFilters(view: CatalogueView): number {
  const activeFields = [...keysOf(rangeFields), ...keysOf(listFields)].filter(
    (name) => view[name] !== undefined,
  ).length;
  return activeFields + Number(view.withListings) + Number(view.graphics !== undefined);
}

/** Return the query variables of the page that a view shows. */
export function listVariables(view: CatalogueView): CpuListQueryVariables {
  const count = view.size === 'endless' ? ENDLESS_PAGE_SIZE : view.size;
  return {
    ...(view.before === undefined ? { first: count } : { last: count, before: view.before }),
    ...(view.after === undefined || view.before !== undefined ? {} : { after: view.after }),
    ...filterAndOrder(view),
  };
}

/** Return the filter and the order of a view, without its page. */
export function filterAndOrder(view: CatalogueView): Pick<CpuListQueryVariables, 'filter' | 'orderBy'> {
  const filter: Record<string, unknown> = {};
  // The API accepts at most 200 characters.
  if (view.search.trim()) filter.search = view.search.trim().slice(0, 200);
  if (view.withListings) filter.withListings = true;
  if (view.graphics !== undefined) filter.hasIgpu = view.graphics;
  for (const name of keysOf(rangeFields)) if (view[name]) filter[rangeFields[name]] = view[name];
  for (const name of keysOf(listFields)) if (view[name]) filter[listFields[name]] = view[name];
  return {
    ...(Object.keys(filter).length > 0 ? { filter: filter as CpuFilter } : {}),
    orderBy: view.sort.map(({ by, descending }) => ({ field: sortFields[by], direction: descending ? 'DESC' : 'ASC' })),
  };
}

/**
 * Return the order after a click on a column: by this column only, reversed, or (with `add`) with it as a further
 * key.
 */
export function toggleSort(sort: SortKey[], by: SortName, add: boolean): SortKey[] {
  const existing = sort.find((key) => key.by === by);
  const initial = { by, descending: descendingFirst.has(by) };
  const reversed = existing && { by, descending: !existing.descending };
  if (!add) return [reversed && sort.length === 1 ? reversed : initial];
  if (!reversed) return [...sort, initial].slice(0, MAX_SORT_KEYS);
  // A third click removes the key.
  if (existing.descending !== descendingFirst.has(by)) {
    const rest = sort.filter((key) => key.by !== by);
    return rest.length > 0 ? rest : defaultSort;
  }
  return sort.map((key) => (key.by === by ? reversed : key));
}

function keysOf<T extends object>(of: T): (keyof T & string)[] {
  return Object.keys(of) as (keyof T & string)[];
}

function readSort(text: string | undefined): SortKey[] {
  const keys = (text ?? '').split(',').flatMap((part) => {
    const by = keysOf(sortFields).find((name) => name === part.replace(/^-/, ''));
    return by === undefined ? [] : [{ by, descending: part.startsWith('-') }];
  });
  const uniqueKeys = keys.filter((key, index) => keys.findIndex((other) => other.by === key.by) === index);
  return uniqueKeys.length > 0 ? uniqueKeys.slice(0, MAX_SORT_KEYS) : defaultSort;
}

const writeSort = (sort: SortKey[]) => sort.map(({ by, descending }) => (descending ? `-${by}` : by)).join(',');

const MAX_INTEGER = 2_147_483_647; // largest integer of the API

/** Parse "4-16", "4-" or "-16"; prices may have decimals, such as "9.50-". */
function readRange(text: string | undefined, decimal: boolean): Range | undefined {
  const match = /^(\d+(?:\.\d+)?)?-(\d+(?:\.\d+)?)?$/.exec(text ?? '');
  if (!match || (match[1] === undefined && match[2] === undefined)) return undefined;
  const range = {
    ...(match[1] === undefined ? {} : { min: Number(match[1]) }),
    ...(match[2] === undefined ? {} : { max: Number(match[2]) }),
  };
  const isValid = Object.values(range).every((bound) => bound <= MAX_INTEGER && (decimal || Number.isInteger(bound)));
  return isValid && !isReversed(range) ? range : undefined;
}

/** Return whether the minimum is above the maximum. */
export const isReversed = ({ min, max }: Range): boolean => min !== undefined && max !== undefined && min > max;

function writeRange(range: Range | undefined): string | undefined {
  return range === undefined ? undefined : `${range.min ?? ''}-${range.max ?? ''}`;
}
