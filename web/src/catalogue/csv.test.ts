import { expect, test } from 'vitest';
import { type Column, columns, type ListedCpu } from './columns';
import { toCsv } from './csv';
import { sortFields } from './viewState';

const cell = (label: string, value: string | number | null) => ({ label, csv: () => value }) as unknown as Column;

test('toCsv quotes special characters, leaves nulls empty, and disarms formulas', () => {
  const shown = [
    cell('Name, short', 'a "b", c'),
    cell('Price', 41.95),
    cell('Great', null),
    cell('Formula', '=1+1'),
    cell('Negative', -3),
    cell('Minus', '-x'),
  ];
  expect(toCsv([{} as ListedCpu], shown)).toBe(
    '"Name, short",Price,Great,Formula,Negative,Minus\r\n"a ""b"", c",41.95,,\'=1+1,-3,\'-x\r\n',
  );
});

test('percentages are exported with one decimal, without floating-point noise', () => {
  const better = columns.find(({ id }) => id === 'better');
  const csvValue = (percentile: number | null) => better?.csv({ performanceValue: { percentile } } as ListedCpu);
  expect([99.9, 64.3, 0, 100, null].map(csvValue)).toEqual([0.1, 35.7, 100, 0, null]);
});

test('exactly the columns that the API can order by are sortable', () => {
  const ordered = columns.filter(({ sort }) => sort !== undefined).map(({ id }) => id);
  expect(ordered.filter((id) => id !== 'better').toSorted()).toEqual(Object.keys(sortFields).toSorted());
});
