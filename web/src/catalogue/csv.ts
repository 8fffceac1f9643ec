// CSV export of a view: all rows, with the visible columns.
import type { Client } from '@urql/core';
import { CpuListDocument, type CpuListQueryVariables } from '../gql/graphql';
import type { Column, ListedCpu } from './columns';
import { filterAndOrder, type CatalogueView } from './viewState';

const PAGE_SIZE = 200; // largest page of the API

/**
 * Fetch every row of the view, in order. Calls `onProgress` with the number of rows so far. Throws the client's
 * errors.
 */
export async function fetchAllCpus(
  client: Client,
  view: CatalogueView,
  onProgress: (rows: number) => void,
): Promise<ListedCpu[]> {
  const rows: ListedCpu[] = [];
  let after: string | null = null;
  do {
    const variables: CpuListQueryVariables = {
      ...filterAndOrder(view),
      first: PAGE_SIZE,
      ...(after === null ? {} : { after }),
    };
    const { data, error } = await client.query(CpuListDocument, variables).toPromise();
    if (!data) throw error ?? new Error('The server does not respond.');
    rows.push(...data.cpus.nodes);
    onProgress(rows.length);
    after = data.cpus.pageInfo.hasNextPage ? data.cpus.pageInfo.endCursor : null;
  } while (after !== null);
  return rows;
}

/** Return CSV (RFC 4180) with a header. Numbers have a decimal point and no separators. */
export function toCsv(rows: ListedCpu[], columns: Column[]): string {
  const lines = [columns.map((column) => quoteCell(column.label)), ...rows.map((row) => cells(row, columns))];
  return `${lines.map((line) => line.join(',')).join('\r\n')}\r\n`;
}

const cells = (row: ListedCpu, columns: Column[]) =>
  columns.map(({ csv }) => {
    const value = csv(row);
    return value === null ? '' : quoteCell(String(value));
  });

function quoteCell(text: string): string {
  // A spreadsheet would run a cell that starts like a formula.
  const safe = /^[=+@\t\r]|^-(?!\d)/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Save a text as a file in the browser. */
export function downloadFile(name: string, text: string): void {
  // Excel recognises UTF-8 by the byte order mark.
  const url = URL.createObjectURL(new Blob([`\uFEFF${text}`], { type: 'text/csv;charset=utf-8' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
