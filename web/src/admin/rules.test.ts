import { describe, expect, test } from 'vitest';
import { parseDecimal, toDateTimeInput, ruleLabel } from './rules';

describe('parseDecimal', () => {
  test.each([
    ['2', 2],
    [' 2.50 ', 2.5],
    ['$.5', 0.5],
    ['0', 0],
  ])('%s', (typed, value) => expect(parseDecimal(typed)).toBe(value));

  test.each(['', '-1', '1,5', '1e3', 'x', '.', '1.2.3'])('rejects %s', (typed) =>
    expect(parseDecimal(typed)).toBeUndefined(),
  );
});

test('a time survives the conversion to a local datetime field', () => {
  expect(new Date(toDateTimeInput('2026-03-01T12:30:00Z')).toISOString()).toBe('2026-03-01T12:30:00.000Z');
});

test('the label of a rule names component, kind, value and unit', () => {
  const rule = { component: 'MEMORY', kind: 'DDR4', valueUsd: 2, unit: 'GB' } as Parameters<typeof ruleLabel>[0];
  expect(ruleLabel(rule)).toBe('Memory DDR4, $2 per GB');
  expect(ruleLabel({ ...rule, kind: null, unit: 'ITEM' })).toBe('Memory, $2 each');
});
