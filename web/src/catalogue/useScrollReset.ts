import { type RefObject, useEffect, useRef } from 'react';
import { type CatalogueView, listVariables } from './viewState';

/** Scroll to the top when another list is shown. The router restores the position on going back. */
export function useScrollReset(region: RefObject<HTMLElement | null>, view: CatalogueView): void {
  const query = JSON.stringify(listVariables(view));
  const previousQuery = useRef(query);
  useEffect(() => {
    if (previousQuery.current === query) return;
    previousQuery.current = query;
    region.current?.scrollTo({ top: 0 });
  }, [region, query]);
}
