import { expect, test } from 'vitest';
import { MAX_UPLOAD_BYTES, uploadProblem } from './uploads';

test.each(['urls.csv', 'URLS.JSON', 'a.b.tsv'])('%s is accepted', (name) => {
  expect(uploadProblem({ name, size: MAX_UPLOAD_BYTES })).toBeUndefined();
});

test.each([
  [{ name: 'urls.xlsx', size: 10 }, /neither CSV nor JSON/],
  [{ name: 'csv', size: 10 }, /neither CSV nor JSON/],
  [{ name: 'urls.csv', size: 0 }, /empty/],
  [{ name: 'urls.csv', size: MAX_UPLOAD_BYTES * 1.5 }, /6\.0 MiB.*in parts/],
])('%o is rejected with a reason', (file, why) => {
  expect(uploadProblem(file)).toMatch(why);
});
