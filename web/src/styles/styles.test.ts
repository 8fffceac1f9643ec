import { expect, test } from 'vitest';

const sheets = import.meta.glob<string>('../**/*.css', { query: '?raw', import: 'default', eager: true });
const components = import.meta.glob<string>('../**/*.tsx', { query: '?raw', import: 'default', eager: true });

const classesOf = (css: string): Set<string> =>
  new Set([...css.replace(/\/\*.*?\*\//gs, '').matchAll(/\.([a-z][\w-]*)/gi)].map((match) => match[1] ?? ''));

/** The CSS modules that a component imports: path of the module, and the local name. */
function modulesOf(path: string, source: string): { module: string; local: string }[] {
  const folder = path.split('/').slice(0, -1).join('/');
  return [...source.matchAll(/import (\w+) from '(\.[^']*\.module\.css)'/g)].map(([, local = '', specifier = '']) => ({
    local,
    // `./x` is in the folder of the component, `../ui/x` in a folder next to it.
    module: specifier.startsWith('./') ? `${folder}/${specifier.slice(2)}` : specifier,
  }));
}

const uses = Object.entries(components).flatMap(([path, source]) =>
  modulesOf(path, source).map(({ module, local }) => ({
    path,
    module,
    names: [...source.matchAll(new RegExp(`\\b${local}\\.(\\w+)(?!')`, 'g'))].map((match) => match[1] ?? ''),
    computed: source.includes(`${local}[`),
  })),
);

test('components use only classes that their CSS modules define', () => {
  expect(uses.length).toBeGreaterThan(60);
  const missing = uses.flatMap(({ path, module, names }) => {
    const defined = classesOf(sheets[module] ?? '');
    return names.filter((name) => name !== 'module' && !defined.has(name)).map((name) => `${path}: ${module} ${name}`);
  });
  expect(missing).toEqual([]);
});

test('every class of a CSS module is used', () => {
  const globals = classesOf(sheets['./base.css'] ?? '');
  const unused = Object.entries(sheets).flatMap(([module, css]) => {
    const users = uses.filter((use) => use.module === module);
    if (!module.endsWith('.module.css') || users.some((use) => use.computed)) return [];
    return [...classesOf(css)]
      .filter((name) => !globals.has(name) && !users.some(({ names }) => names.includes(name)))
      .map((name) => `${module} ${name}`);
  });
  expect(unused).toEqual([]);
});

test('class names in text are utility classes of base.css', () => {
  const globals = classesOf(sheets['./base.css'] ?? '');
  const unknown = Object.entries(components).flatMap(([path, source]) =>
    [...source.matchAll(/className="([^"]*)"/g)]
      .flatMap((match) => (match[1] ?? '').split(' '))
      .filter((name) => !globals.has(name))
      .map((name) => `${path}: ${name}`),
  );
  expect(unknown).toEqual([]);
});
