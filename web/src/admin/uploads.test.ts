import { expect, test } from 'vitest';
import { LARGEST, problemOf } from './uploads';

test.each(['urls.csv', 'URLS.JSON', 'a.b.tsv'])('%s is sent', (name) => {
  expect(problemOf({ name, size: LARGEST })).toBeUndefined();
});

test.each([
  [{ name: 'urls.xlsx', size: 10 }, /neither CSV nor JSON/],
  [{ name: 'csv', size: 10 }, /neither CSV nor JSON/],
  [{ name: 'urls.csv', size: 0 }, /empty/],
  [{ name: 'urls.csv', size: LARGEST * 1.5 }, /6\.0 MiB.*in parts/],
])('%o is not sent', (file, why) => {
  expect(problemOf(file)).toMatch(why);
});
