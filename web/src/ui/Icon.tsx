import styles from './Icon.module.css';
// Paths on a 16 px grid, drawn with a stroke of 1.5 px in the text colour.
const paths = {
  check: 'm3.5 8.5 3 3 6-7',
  chevron: 'm4.5 6.5 3.5 3.5 3.5-3.5',
  close: 'm4 4 8 8m0-8-8 8',
  columns: 'M2.5 3h11v10h-11zM6.2 3v10m3.6-10v10',
  download: 'M8 2.5v7m-3-3 3 3 3-3M3 12.5h10',
  external: 'M6.5 3.5h-3v9h9v-3M9.5 3h3.5v3.5M13 3 7.5 8.5',
  filter: 'M2.5 4h11m-9 4h7m-5 4h3',
  grid: 'M2.5 2.5h4.4v4.4H2.5zm6.6 0h4.4v4.4H9.1zm-6.6 6.6h4.4v4.4H2.5zm6.6 0h4.4v4.4H9.1z',
  info: 'M8 7.2v3.6M8 5.1v.1M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0z',
  left: 'M9.5 4 5.5 8l4 4',
  list: 'M2.5 4h11m-11 4h11m-11 4h11',
  right: 'm6.5 4 4 4-4 4',
  search: 'M11.5 7a4.5 4.5 0 1 1-9 0 4.5 4.5 0 0 1 9 0zm-1.3 3.2 3.3 3.3',
  sort: 'M5 13V3L2.5 5.5M5 3l2.5 2.5M11 3v10l2.5-2.5M11 13l-2.5-2.5',
  split: 'M2.5 3h11v10h-11zM7 3v10',
  theme: 'M8 2.5a5.5 5.5 0 1 0 0 11zm0 0a5.5 5.5 0 0 1 0 11',
  up: 'M8 12.5v-9m-3.5 3.5L8 3.5 11.5 7',
  down: 'M8 3.5v9M4.5 9 8 12.5 11.5 9',
  warning: 'M8 2.8 14 13H2zM8 6.8v2.8m0 1.7v.1',
} as const;

export type IconName = keyof typeof paths;

/** Icon. It is hidden from screen readers, so text or a label next to it must have the same meaning. */
export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg className={styles.icon} viewBox="0 0 16 16" width={size} height={size} aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  );
}
