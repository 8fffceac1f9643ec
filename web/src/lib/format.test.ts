import { expect, test } from 'vitest';
import { formatDuration } from './format';

const after = (milliseconds: number): string =>
  formatDuration(new Date(0).toISOString(), new Date(milliseconds).toISOString());

test.each([
  [0, '1 ms'],
  [40, '40 ms'],
  [994, '994 ms'],
  [995, '1.0 s'],
  [2_400, '2.4 s'],
  [9_940, '9.9 s'],
  [9_960, '10 s'],
  [59_400, '59 s'],
  [59_600, '1 min 0 s'],
  [200_000, '3 min 20 s'],
  [239_600, '4 min 0 s'],
  [3_599_600, '1 h 0 min'],
  [7_190_000, '2 h 0 min'],
  [7_500_000, '2 h 5 min'],
])('a duration of %i ms is formatted as %s', (milliseconds, text) => expect(after(milliseconds)).toBe(text));

test('an unknown duration is empty, and a negative one is the shortest', () => {
  expect(formatDuration(null, '2026-01-01T00:00:00Z')).toBe('');
  expect(formatDuration('2026-01-01T00:00:00Z', undefined)).toBe('');
  expect(formatDuration('2026-01-01T00:00:01Z', '2026-01-01T00:00:00Z')).toBe('1 ms');
});
