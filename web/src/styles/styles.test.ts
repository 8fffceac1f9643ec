import { expect, test } from 'vitest';

const sheets = import.meta.glob<string>('../**/*.css', { query: '?raw', import: 'default', eager: true });

/** Classes that a file gives a look wherever they stand: selectors of one class alone. */
const own = (css: string): string[] =>
  [...css.replace(/\/\*.*?\*\//gs, '').matchAll(/([^{};]+)\{/g)]
    .flatMap(([, selectors]) => (selectors ?? '').split(','))
    .flatMap((selector) => /^\.[\w-]+$/.exec(selector.trim()) ?? []);

// Styles of a page stay when one goes on to the next: what two of them define looks different from where one came.
test('each class is defined in one file', () => {
  const files = new Map<string, Set<string>>();
  for (const [file, css] of Object.entries(sheets))
    for (const name of own(css)) files.set(name, (files.get(name) ?? new Set()).add(file));
  expect(files.size).toBeGreaterThan(100);
  expect([...files].filter(([, where]) => where.size > 1).map(([name, where]) => [name, ...where])).toEqual([]);
});
