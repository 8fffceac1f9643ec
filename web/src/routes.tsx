// Every page and its address. Pages are loaded when they are first opened, or when the pointer comes near a link to them.
import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router';
import { NotFound, PageFault } from './layout/ErrorPages';
import { Shell } from './layout/Shell';

/** What stands behind the `?`, flat: a name that is there several times is a list. */
export type Search = Record<string, string | string[]>;

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound, errorComponent: PageFault });

const catalogue = createRoute({
  getParentRoute: () => root,
  path: '/',
  validateSearch: (search: Search): Search => search,
  component: lazyRouteComponent(() => import('./catalogue/CataloguePage'), 'CataloguePage'),
});

const cpu = createRoute({
  getParentRoute: () => root,
  path: '/cpu/$slug',
  component: lazyRouteComponent(() => import('./cpu/CpuPage'), 'CpuPage'),
});

const compare = createRoute({
  getParentRoute: () => root,
  path: '/compare',
  validateSearch: (search: Search): Search => search,
  component: lazyRouteComponent(() => import('./compare/ComparePage'), 'ComparePage'),
});

const map = createRoute({
  getParentRoute: () => root,
  path: '/map',
  validateSearch: (search: Search): Search => search,
  component: lazyRouteComponent(() => import('./map/MapPage'), 'MapPage'),
});

const admin = createRoute({
  getParentRoute: () => root,
  path: '/admin',
  component: lazyRouteComponent(() => import('./admin/pages'), 'AdminPage'),
});
const search = { getParentRoute: () => admin, validateSearch: (given: Search): Search => given };
const adminPages = admin.addChildren([
  createRoute({ ...search, path: '/', component: lazyRouteComponent(() => import('./admin/pages'), 'FiguresPage') }),
  createRoute({
    ...search,
    path: '/imports',
    component: lazyRouteComponent(() => import('./admin/pages'), 'ImportsPage'),
  }),
  createRoute({
    ...search,
    path: '/imports/$id',
    component: lazyRouteComponent(() => import('./admin/pages'), 'ImportPage'),
  }),
  createRoute({ ...search, path: '/jobs', component: lazyRouteComponent(() => import('./admin/pages'), 'JobsPage') }),
  createRoute({
    ...search,
    path: '/documents',
    component: lazyRouteComponent(() => import('./admin/pages'), 'DocumentsPage'),
  }),
  createRoute({ ...search, path: '/rules', component: lazyRouteComponent(() => import('./admin/pages'), 'RulesPage') }),
]);

function parseSearch(text: string): Search {
  const parameters = new URLSearchParams(text);
  const names = new Set(parameters.keys());
  return Object.fromEntries(
    [...names].map((name) => {
      const values = parameters.getAll(name);
      return [name, values.length === 1 ? (values[0] ?? '') : values];
    }),
  );
}

function stringifySearch(search: Record<string, unknown>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(search)) {
    for (const each of Array.isArray(value) ? value : [value])
      if (each !== undefined) parameters.append(name, String(each));
  }
  // `search=i5 8500t` is `?search=i5+8500t`; commas and colons may be read by people as they are.
  const text = parameters.toString().replace(/%2C/g, ',').replace(/%3A/g, ':');
  return text === '' ? '' : `?${text}`;
}

export const router = createRouter({
  routeTree: root.addChildren([catalogue, cpu, compare, map, adminPages]),
  parseSearch,
  stringifySearch,
  defaultPreload: 'intent',
  scrollRestoration: true,
  scrollToTopSelectors: ['.region'], // the list of the catalogue: else it would stay where that of the view before was
  defaultErrorComponent: PageFault,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
