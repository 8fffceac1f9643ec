// The pages in the header, in this order. A new page is a line here and a route in routes.tsx.
export const navigationLinks = [
  { to: '/', label: 'Catalogue' },
  { to: '/map', label: 'Map' },
  { to: '/compare', label: 'Compare' },
  { to: '/admin', label: 'Admin' },
] as const;
