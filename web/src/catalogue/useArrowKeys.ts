import { type KeyboardEvent, type RefObject, useCallback } from 'react';

/** Handle arrow keys, Home and End: move the focus between the links of rows, which have a `data-index`. */
export function useArrowKeys(
  region: RefObject<HTMLElement | null>,
  count: number,
  scrollTo?: (index: number) => void,
  onMove?: (index: number) => void,
) {
  return useCallback(
    (event: KeyboardEvent) => {
      const row = (event.target as Element).closest<HTMLElement>('[data-index]');
      const targetIndex = row
        ? targetOf(event.key, Number(row.dataset.index), count)
        : event.key === 'ArrowDown' && event.target === region.current
          ? 0
          : undefined;
      if (targetIndex === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      scrollTo?.(targetIndex);
      onMove?.(targetIndex);
      // A row outside the viewport is rendered first.
      const focusLink = (attemptsLeft: number) => {
        const link = region.current?.querySelector<HTMLElement>(
          `[data-index="${targetIndex}"] a, a[data-index="${targetIndex}"]`,
        );
        if (link) link.focus();
        else if (attemptsLeft > 0) requestAnimationFrame(() => focusLink(attemptsLeft - 1));
      };
      focusLink(10);
    },
    [region, count, scrollTo, onMove],
  );
}

function targetOf(key: string, index: number, count: number): number | undefined {
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
