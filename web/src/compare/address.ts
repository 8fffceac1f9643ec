// The comparison is its address: ?cpus=a,b,c
import type { SearchParams } from '../lib/searchParams';

export const MOST = 5;

export function readSlugs(search: SearchParams): string[] {
  const given = [search.cpus ?? []].flat().join(',').split(',');
  return [...new Set(given.map((slug) => slug.trim()).filter((slug) => slug !== ''))].slice(0, MOST);
}

export const writeSlugs = (slugs: string[]): SearchParams => (slugs.length === 0 ? {} : { cpus: slugs.join(',') });
