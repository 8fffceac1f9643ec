// The comparison is its address: ?cpus=a,b,c
import type { Search } from '../routes';

export const MOST = 5;

export function readSlugs(search: Search): string[] {
  const given = [search.cpus ?? []].flat().join(',').split(',');
  return [...new Set(given.map((slug) => slug.trim()).filter((slug) => slug !== ''))].slice(0, MOST);
}

export const writeSlugs = (slugs: string[]): Search => (slugs.length === 0 ? {} : { cpus: slugs.join(',') });
