import { expect, test } from 'vitest';
import type { Column, Cpu } from './columns';
import { toCsv } from './csv';

const cell = (label: string, value: string | number | null) => ({ label, csv: () => value }) as unknown as Column;

test('quotes what must be quoted, leaves nulls empty, and lets no cell be a formula', () => {
  const columns = [
    cell('Name, short', 'a "b", c'),
    cell('Price', 41.95),
    cell('Great', null),
    cell('Formula', '=1+1'),
    cell('Negative', -3),
    cell('Minus', '-x'),
  ];
  expect(toCsv([{} as Cpu], columns)).toBe(
    '"Name, short",Price,Great,Formula,Negative,Minus\r\n"a ""b"", c",41.95,,\'=1+1,-3,\'-x\r\n',
  );
});
