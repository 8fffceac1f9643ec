import { type RefObject, useEffect, useRef } from 'react';
import { type CatalogueView, listVariables } from './viewState';

/** Another list is read from its top; that of the step back from where one was. */
export function useScrollReset(region: RefObject<HTMLElement | null>, view: CatalogueView): void {
  const query = JSON.stringify(listVariables(view));
  const previousQuery = useRef(query);
  useEffect(() => {
    if (previousQuery.current === query) return;
    previousQuery.current = query;
    region.current?.scrollTo({ top: 0 });
  }, [region, query]);
}
