// What the catalogue shows, and its address: everything is in there, so a link reproduces the view.
import type { CpuListQueryVariables, CpuFilter, CpuOrderField } from '../gql/graphql';
import { ratings } from '../cpu/ratings';
import type { SearchParams } from '../lib/searchParams';

/** Closed on both sides; an absent bound is open. */
export interface Range {
  min?: number | undefined;
  max?: number | undefined;
}

export const layouts = ['list', 'grid', 'split'] as const;
export type Layout = (typeof layouts)[number];

export const sizes = [25, 50, 100, 200] as const;
/** `endless`: more rows come as one scrolls. */
export type Size = (typeof sizes)[number] | 'endless';

export interface SortKey {
  by: SortName;
  descending: boolean;
}

export interface View extends Partial<Record<RangeName, Range>>, Partial<Record<ListName, string[]>> {
  search: string;
  withListings: boolean;
  /** With integrated graphics, without, or either. */
  graphics: boolean | undefined;
  sort: SortKey[];
  layout: Layout;
  size: Size;
  /** Ids of the columns of the list, in their order; undefined: the usual ones. */
  columns: string[] | undefined;
  /** Where the page starts (or, going back, ends), and its number, which is only told. */
  after: string | undefined;
  before: string | undefined;
  page: number;
  /** Slug of the CPU beside the list. */
  selected: string | undefined;
}

/**
 * Apply a change to the view. `replace` replaces the current history entry, for changes that come in quick succession.
 * `keepPage` keeps the page of the list; without it the list returns to its first page.
 */
export type Change = (change: Partial<View>, options?: { replace?: boolean; keepPage?: boolean }) => void;

// Name in the address, and in the API.
export const ranges = {
  cores: 'cores',
  tdp: 'tdpW',
  year: 'releaseYear',
  multi: 'cpuMarkMulti',
  single: 'cpuMarkSingle',
  igpu: 'igpuMark',
  price: 'price',
} as const satisfies Record<string, keyof CpuFilter>;
export type RangeName = keyof typeof ranges;

export const lists = {
  maker: 'manufacturer',
  socket: 'socket',
  type: 'category',
  rating: 'rating',
} as const satisfies Record<string, keyof CpuFilter>;
export type ListName = keyof typeof lists;

export const sorts = {
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
export type SortName = keyof typeof sorts;

/** Of these the high ones are looked for, so a first click on the column puts them on top. */
export const highFirst: ReadonlySet<SortName> = new Set([
  'cores',
  'threads',
  'year',
  'multi',
  'single',
  'igpu',
  'prices',
]);

export const MOST_SORT_KEYS = 5;
const usual: SortKey[] = [{ by: 'value', descending: false }];
const ENDLESS_PAGE = 100;

/** Whatever cannot be read in an address is left out: old links go on working as well as they can. */
export function readView(search: SearchParams): View {
  const one = (name: string) => [search[name]].flat()[0];
  const among = <T extends string>(value: string | undefined, known: readonly T[]): T | undefined =>
    known.find((each) => each === value);
  const view: View = {
    search: one('q') ?? '',
    withListings: one('listings') === 'yes',
    graphics: { yes: true, no: false }[one('graphics') ?? ''],
    sort: readSort(one('sort')),
    layout: among(one('view'), layouts) ?? 'list',
    size: one('size') === 'endless' ? 'endless' : (sizes.find((each) => String(each) === one('size')) ?? 50),
    columns: one('columns')?.split(',').filter(Boolean),
    after: one('after'),
    before: one('before'),
    page: Math.max(1, Number.parseInt(one('page') ?? '1', 10) || 1),
    selected: one('cpu'),
  };
  for (const name of names(ranges)) {
    const range = readRange(one(name), name === 'price');
    if (range) view[name] = range;
  }
  for (const name of names(lists)) {
    const given = [search[name] ?? []].flat().filter(Boolean);
    const values = name === 'rating' ? ratings.filter((rating) => given.includes(rating)) : given;
    if (values.length > 0) view[name] = values;
  }
  return view;
}

/** The address of a view; what is as usual is left out. */
export function writeView(view: View): SearchParams {
  const written: Record<string, string | string[] | undefined> = {
    q: view.search || undefined,
    listings: view.withListings ? 'yes' : undefined,
    graphics: view.graphics === undefined ? undefined : view.graphics ? 'yes' : 'no',
    sort: writeSort(view.sort) === writeSort(usual) ? undefined : writeSort(view.sort),
    view: view.layout === 'list' ? undefined : view.layout,
    size: view.size === 50 ? undefined : String(view.size),
    columns: view.columns?.join(','),
    after: view.after,
    before: view.before,
    page: view.page === 1 ? undefined : String(view.page),
    cpu: view.selected,
  };
  for (const name of names(ranges)) written[name] = writeRange(view[name]);
  for (const name of names(lists)) written[name] = view[name]?.length ? view[name] : undefined;
  return Object.fromEntries(
    Object.entries(written).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

/** Another view of the list: it starts on its first page again. */
export function changed(view: View, change: Partial<View>): View {
  return { ...view, after: undefined, before: undefined, page: 1, ...change };
}

/** The view without any condition. */
export function unfiltered(view: View): View {
  const none = Object.fromEntries([...names(ranges), ...names(lists)].map((name) => [name, undefined]));
  return changed(view, { ...none, search: '', withListings: false, graphics: undefined });
}

/** How many conditions there are beside the words searched for. */
export function conditions(view: View): number {
  const given = [...names(ranges), ...names(lists)].filter((name) => view[name] !== undefined).length;
  return given + Number(view.withListings) + Number(view.graphics !== undefined);
}

/** What to ask the API for. */
export function variables(view: View): CpuListQueryVariables {
  const count = view.size === 'endless' ? ENDLESS_PAGE : view.size;
  return {
    ...(view.before === undefined ? { first: count } : { last: count, before: view.before }),
    ...(view.after === undefined || view.before !== undefined ? {} : { after: view.after }),
    ...filterAndOrder(view),
  };
}

/** Conditions and order alone, for what is not a page of the list. */
export function filterAndOrder(view: View): Pick<CpuListQueryVariables, 'filter' | 'orderBy'> {
  const filter: Record<string, unknown> = {};
  // The API takes at most 200 characters.
  if (view.search.trim()) filter.search = view.search.trim().slice(0, 200);
  if (view.withListings) filter.withListings = true;
  if (view.graphics !== undefined) filter.hasIgpu = view.graphics;
  for (const name of names(ranges)) if (view[name]) filter[ranges[name]] = view[name];
  for (const name of names(lists)) if (view[name]) filter[lists[name]] = view[name];
  return {
    ...(Object.keys(filter).length > 0 ? { filter: filter as CpuFilter } : {}),
    orderBy: view.sort.map(({ by, descending }) => ({ field: sorts[by], direction: descending ? 'DESC' : 'ASC' })),
  };
}

/** The order after a click on a column: by it alone, the other way round, or (with `add`) by it, too. */
export function sortedBy(sort: SortKey[], by: SortName, add: boolean): SortKey[] {
  const there = sort.find((key) => key.by === by);
  const fresh = { by, descending: highFirst.has(by) };
  const turned = there && { by, descending: !there.descending };
  if (!add) return [turned && sort.length === 1 ? turned : fresh];
  if (!turned) return [...sort, fresh].slice(0, MOST_SORT_KEYS);
  // A third click takes the key away again.
  if (there.descending !== highFirst.has(by)) {
    const rest = sort.filter((key) => key.by !== by);
    return rest.length > 0 ? rest : usual;
  }
  return sort.map((key) => (key.by === by ? turned : key));
}

function names<T extends object>(of: T): (keyof T & string)[] {
  return Object.keys(of) as (keyof T & string)[];
}

function readSort(text: string | undefined): SortKey[] {
  const keys = (text ?? '').split(',').flatMap((part) => {
    const by = names(sorts).find((name) => name === part.replace(/^-/, ''));
    return by === undefined ? [] : [{ by, descending: part.startsWith('-') }];
  });
  const unique = keys.filter((key, index) => keys.findIndex((each) => each.by === key.by) === index);
  return unique.length > 0 ? unique.slice(0, MOST_SORT_KEYS) : usual;
}

const writeSort = (sort: SortKey[]) => sort.map(({ by, descending }) => (descending ? `-${by}` : by)).join(',');

const GREATEST = 2_147_483_647; // the API's integers end there

/** "4-16", "4-", "-16"; of prices "9.50-" too */
function readRange(text: string | undefined, decimal: boolean): Range | undefined {
  const found = /^(\d+(?:\.\d+)?)?-(\d+(?:\.\d+)?)?$/.exec(text ?? '');
  if (!found || (found[1] === undefined && found[2] === undefined)) return undefined;
  const range = {
    ...(found[1] === undefined ? {} : { min: Number(found[1]) }),
    ...(found[2] === undefined ? {} : { max: Number(found[2]) }),
  };
  const good = Object.values(range).every((bound) => bound <= GREATEST && (decimal || Number.isInteger(bound)));
  return good && !isReversed(range) ? range : undefined;
}

/** Nothing is from 9 to 2. */
export const isReversed = ({ min, max }: Range): boolean => min !== undefined && max !== undefined && min > max;

function writeRange(range: Range | undefined): string | undefined {
  return range === undefined ? undefined : `${range.min ?? ''}-${range.max ?? ''}`;
}
