import { expect, test } from 'vitest';
import { MAX_COMPARED, readSlugs, writeSlugs } from './address';
import { allEqual, bestColumns, type ComparedCpu, type ComparisonRow } from './rows';

const cpus = (...cores: (number | null)[]) => cores.map((count) => ({ cores: count }) as ComparedCpu);
const row = (better?: ComparisonRow['better']): ComparisonRow => ({
  label: 'Cores',
  value: (cpu) => cpu.cores,
  ...(better && { better }),
});

test('the best values of a row are marked, unless all are equal or one is known', () => {
  expect(bestColumns(row('high'), cpus(4, 8, 8, null))).toEqual([false, true, true, false]);
  expect(bestColumns(row('low'), cpus(4, 8))).toEqual([true, false]);
  expect(bestColumns(row('high'), cpus(4, 4))).toEqual([false, false]);
  expect(bestColumns(row('high'), cpus(4, null))).toEqual([false, false]);
  expect(bestColumns(row(), cpus(4, 8))).toEqual([false, false]);
});

test('an unknown value differs from a known one', () => {
  expect(allEqual(row(), cpus(4, 4))).toBe(true);
  expect(allEqual(row(), cpus(4, null))).toBe(false);
  expect(allEqual(row(), cpus(null, null))).toBe(true);
});

test('an address has each CPU once, up to the maximum', () => {
  expect(readSlugs({ cpus: 'a, b,,a' })).toEqual(['a', 'b']);
  expect(readSlugs({ cpus: ['a,b', 'c'] })).toEqual(['a', 'b', 'c']);
  expect(readSlugs({ cpus: 'a,b,c,d,e,f,g' })).toHaveLength(MAX_COMPARED);
  expect(readSlugs({})).toEqual([]);
  expect(writeSlugs(['a', 'b'])).toEqual({ cpus: 'a,b' });
  expect(writeSlugs([])).toEqual({});
});
