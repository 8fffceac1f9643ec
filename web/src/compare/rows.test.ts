import { expect, test } from 'vitest';
import { MOST, readSlugs, writeSlugs } from './address';
import { alike, bestOf, type Cpu, type Line } from './rows';

const cpus = (...cores: (number | null)[]) => cores.map((each) => ({ cores: each }) as Cpu);
const line = (better?: Line['better']): Line => ({
  label: 'Cores',
  value: (cpu) => cpu.cores,
  ...(better && { better }),
});

test('the best of a line is marked where there is one', () => {
  expect(bestOf(line('high'), cpus(4, 8, 8, null))).toEqual([false, true, true, false]);
  expect(bestOf(line('low'), cpus(4, 8))).toEqual([true, false]);
  expect(bestOf(line('high'), cpus(4, 4))).toEqual([false, false]);
  expect(bestOf(line('high'), cpus(4, null))).toEqual([false, false]);
  expect(bestOf(line(), cpus(4, 8))).toEqual([false, false]);
});

test('what is not known differs from what is', () => {
  expect(alike(line(), cpus(4, 4))).toBe(true);
  expect(alike(line(), cpus(4, null))).toBe(false);
  expect(alike(line(), cpus(null, null))).toBe(true);
});

test('an address names each CPU once, and no more than can be compared', () => {
  expect(readSlugs({ cpus: 'a, b,,a' })).toEqual(['a', 'b']);
  expect(readSlugs({ cpus: ['a,b', 'c'] })).toEqual(['a', 'b', 'c']);
  expect(readSlugs({ cpus: 'a,b,c,d,e,f,g' })).toHaveLength(MOST);
  expect(readSlugs({})).toEqual([]);
  expect(writeSlugs(['a', 'b'])).toEqual({ cpus: 'a,b' });
  expect(writeSlugs([])).toEqual({});
});
