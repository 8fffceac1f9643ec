// Pages and their addresses. A page is loaded when it is first opened, or when the pointer is over a link to it.
import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router';
import { NotFound, PageError } from './layout/ErrorPages';
import { Shell } from './layout/Shell';
import { parseSearchParams, type SearchParams, stringifySearchParams } from './lib/searchParams';

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound, errorComponent: PageError });

const catalogue = createRoute({
  getParentRoute: () => root,
  path: '/',
  validateSearch: (search: SearchParams): SearchParams => search,
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
  validateSearch: (search: SearchParams): SearchParams => search,
  component: lazyRouteComponent(() => import('./compare/ComparePage'), 'ComparePage'),
});

const map = createRoute({
  getParentRoute: () => root,
  path: '/map',
  validateSearch: (search: SearchParams): SearchParams => search,
  component: lazyRouteComponent(() => import('./map/MapPage'), 'MapPage'),
});

const admin = createRoute({
  getParentRoute: () => root,
  path: '/admin',
  component: lazyRouteComponent(() => import('./admin/pages'), 'AdminPage'),
});
const search = { getParentRoute: () => admin, validateSearch: (params: SearchParams): SearchParams => params };
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

export const router = createRouter({
  routeTree: root.addChildren([catalogue, cpu, compare, map, adminPages]),
  parseSearch: parseSearchParams,
  stringifySearch: stringifySearchParams,
  defaultPreload: 'intent',
  scrollRestoration: true,
  scrollToTopSelectors: ['[data-scroll-region]'], // the scrolling list of the catalogue
  defaultErrorComponent: PageError,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
