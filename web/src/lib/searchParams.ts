/** The query string of a page's address. A name that occurs several times has a list of values. */
export type SearchParams = Record<string, string | string[]>;

export function parseSearchParams(text: string): SearchParams {
  const params = new URLSearchParams(text);
  const names = new Set(params.keys());
  return Object.fromEntries(
    [...names].map((name) => {
      const values = params.getAll(name);
      return [name, values.length === 1 ? (values[0] ?? '') : values];
    }),
  );
}

export function stringifySearchParams(search: Record<string, unknown>): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(search)) {
    for (const item of Array.isArray(value) ? value : [value])
      if (item !== undefined) params.append(name, String(item));
  }
  // Commas and colons are valid in a query string and easier to read unescaped.
  const text = params.toString().replace(/%2C/g, ',').replace(/%3A/g, ':');
  return text === '' ? '' : `?${text}`;
}
