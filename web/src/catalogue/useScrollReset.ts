import { type RefObject, useEffect, useRef } from 'react';
import { type View, variables } from './viewState';

/** Another list is read from its top; that of the step back from where one was. */
export function useTop(region: RefObject<HTMLElement | null>, view: View): void {
  const list = JSON.stringify(variables(view));
  const before = useRef(list);
  useEffect(() => {
    if (before.current === list) return;
    before.current = list;
    region.current?.scrollTo({ top: 0 });
  }, [region, list]);
}
