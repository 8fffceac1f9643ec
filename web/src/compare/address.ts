// The address has the compared CPUs: ?cpus=a,b,c
import type { SearchParams } from '../lib/searchParams';

export const MAX_COMPARED = 5;

export function readSlugs(search: SearchParams): string[] {
  const requested = [search.cpus ?? []].flat().join(',').split(',');
  return [...new Set(requested.map((slug) => slug.trim()).filter((slug) => slug !== ''))].slice(0, MAX_COMPARED);
}

export const writeSlugs = (slugs: string[]): SearchParams => (slugs.length === 0 ? {} : { cpus: slugs.join(',') });
