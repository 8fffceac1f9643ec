// The folders of src/ form layers. Imports run downwards, pages import each other only through shared modules, and there
// are no import cycles.
import { expect, test } from 'vitest';

const sources = import.meta.glob<string>(['./**/*.{ts,tsx}', '!./gql/**', '!./**/*.test.ts'], {
  query: '?raw',
  import: 'default',
  eager: true,
});

const PAGES = ['admin', 'catalogue', 'compare', 'cpu', 'map'];
/** Folders that a folder may import, in addition to itself and to the generated folder `gql`. */
const ALLOWED: Record<string, string[]> = {
  lib: [],
  api: ['lib'],
  ui: ['api', 'lib'],
  charts: ['ui', 'lib'],
  layout: ['ui', 'api', 'lib'],
  ...Object.fromEntries(PAGES.map((page) => [page, ['charts', 'ui', 'api', 'lib']])),
  routes: [...PAGES, 'layout', 'lib'],
  main: ['routes', 'api', 'styles'],
};
/** Modules of the CPU page that the other pages share. */
const SHARED = ['cpu/CpuSummary', 'cpu/Indicators', 'cpu/ratings', 'cpu/useCpuSearch'];

const modules = new Map(
  Object.entries(sources).map(([path, text]) => [path.replace(/^\.\//, '').replace(/\.tsx?$/, ''), text]),
);
const folderOf = (module: string): string => module.split('/')[0] ?? module;

/** Static and dynamic imports of modules and style sheets of src/, without their file extension. */
function importsOf(module: string): string[] {
  const text = modules.get(module) ?? '';
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map(([, specifier]) => {
    const parts = module.split('/').slice(0, -1);
    for (const part of (specifier ?? '').split('/'))
      if (part === '..') parts.pop();
      else if (part !== '.') parts.push(part);
    return parts.join('/');
  });
}

test('src has modules to check', () => {
  expect(modules.size).toBeGreaterThan(60);
  expect(importsOf('main')).toContain('routes');
});

test('no module imports itself through other modules', () => {
  const cycles: string[] = [];
  const finished = new Set<string>();
  const visit = (module: string, path: string[]) => {
    if (path.includes(module)) cycles.push([...path.slice(path.indexOf(module)), module].join(' > '));
    if (path.includes(module) || finished.has(module)) return;
    for (const imported of importsOf(module)) if (modules.has(imported)) visit(imported, [...path, module]);
    finished.add(module);
  };
  for (const module of modules.keys()) visit(module, []);
  expect(cycles).toEqual([]);
});

test('each folder imports only the folders below it', () => {
  const violations = [...modules.keys()].flatMap((module) => {
    const folder = folderOf(module);
    const allowed = [folder, 'gql', ...(ALLOWED[folder] ?? [])];
    const shared = PAGES.includes(folder) ? SHARED : [];
    return importsOf(module)
      .filter((imported) => !shared.includes(imported) && !allowed.includes(folderOf(imported)))
      .map((imported) => `${module} imports ${imported}`);
  });
  expect(violations).toEqual([]);
});
