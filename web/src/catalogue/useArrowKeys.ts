import { type KeyboardEvent, type RefObject, useCallback } from 'react';

/** Arrow keys, Home and End go from the link of one row to that of another; rows have a `data-index`. */
export function useArrows(
  region: RefObject<HTMLElement | null>,
  count: number,
  scrollTo?: (index: number) => void,
  onMove?: (index: number) => void,
) {
  return useCallback(
    (event: KeyboardEvent) => {
      const row = (event.target as Element).closest<HTMLElement>('[data-index]');
      const to = row
        ? target(event.key, Number(row.dataset.index), count)
        : event.key === 'ArrowDown' && event.target === region.current
          ? 0
          : undefined;
      if (to === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      scrollTo?.(to);
      onMove?.(to);
      // A row out of sight is drawn first.
      const focus = (tries: number) => {
        const link = region.current?.querySelector<HTMLElement>(`[data-index="${to}"] a, a[data-index="${to}"]`);
        if (link) link.focus();
        else if (tries > 0) requestAnimationFrame(() => focus(tries - 1));
      };
      focus(10);
    },
    [region, count, scrollTo, onMove],
  );
}

function target(key: string, index: number, count: number): number | undefined {
  switch (key) {
    case 'ArrowDown':
      return Math.min(count - 1, index + 1);
    case 'ArrowUp':
      return Math.max(0, index - 1);
    case 'Home':
      return 0;
    case 'End':
      return count - 1;
    default:
      return undefined;
  }
}
