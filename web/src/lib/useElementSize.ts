import { useCallback, useState } from 'react';

/** The size of an element in px, 0 before it is known; the element gets the first of the pair as its `ref`. */
export function useSize(): [(element: HTMLElement | null) => (() => void) | undefined, number, number] {
  const [[width, height], setSize] = useState<[number, number]>([0, 0]);
  const ref = useCallback((element: HTMLElement | null) => {
    if (!element) return undefined;
    const measure = () => {
      const now: [number, number] = [element.clientWidth, element.clientHeight];
      setSize((before) => (before[0] === now[0] && before[1] === now[1] ? before : now));
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [ref, width, height];
}
