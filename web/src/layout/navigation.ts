// Links of the header, in this order.
export const navigationLinks = [
  { to: '/', label: 'Catalogue' },
  { to: '/map', label: 'Map' },
  { to: '/compare', label: 'Compare' },
  { to: '/admin', label: 'Admin' },
] as const;
