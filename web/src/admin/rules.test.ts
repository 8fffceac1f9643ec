import { describe, expect, test } from 'vitest';
import { decimal, localTime, nameOf } from './rules';

describe('a number that is typed', () => {
  test.each([
    ['2', 2],
    [' 2.50 ', 2.5],
    ['$.5', 0.5],
    ['0', 0],
  ])('%s', (typed, value) => expect(decimal(typed)).toBe(value));

  test.each(['', '-1', '1,5', '1e3', 'x', '.', '1.2.3'])('none: %s', (typed) => expect(decimal(typed)).toBeUndefined());
});

test('a time is that of here, and the same moment', () => {
  expect(new Date(localTime('2026-03-01T12:30:00Z')).toISOString()).toBe('2026-03-01T12:30:00.000Z');
});

test('a rule has a name', () => {
  const rule = { component: 'MEMORY', kind: 'DDR4', valueUsd: 2, unit: 'GB' } as Parameters<typeof nameOf>[0];
  expect(nameOf(rule)).toBe('Memory DDR4, $2 per GB');
  expect(nameOf({ ...rule, kind: null, unit: 'ITEM' })).toBe('Memory, $2 each');
});
