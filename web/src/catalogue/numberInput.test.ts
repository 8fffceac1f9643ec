import { expect, test } from 'vitest';
import { normalizeNumber } from './numberInput';

test.each([
  ['12.', '12.', '12'],
  ['12.50', '12.50', '12'],
  ['12,5', '12.5', '12'],
  ['1,200', '1200', '1200'],
  ['$1,200.999', '1200.99', '1200'],
  ['1.2.3', '1.23', '1'],
  ['.5', '.5', ''],
  ['-4 cores', '4', '4'],
  ['99999999999', '999999999', '999999999'],
  ['', '', ''],
])('%s is %s with decimals, %s without', (typed, decimal, whole) => {
  expect(normalizeNumber(typed, true)).toBe(decimal);
  expect(normalizeNumber(typed, false)).toBe(whole);
});
