import { useSyncExternalStore } from 'react';

/** Return whether a media query matches, and update when that changes. */
export function useMediaQuery(query: string): boolean {
  return useSyncExternalStore(
    (listener) => {
      const mediaQuery = matchMedia(query);
      mediaQuery.addEventListener('change', listener);
      return () => mediaQuery.removeEventListener('change', listener);
    },
    () => matchMedia(query).matches,
  );
}
