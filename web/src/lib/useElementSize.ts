import { useCallback, useState } from 'react';

/** Return a ref for an element, and its width and height in px (0 until measured). */
export function useElementSize(): [(element: HTMLElement | null) => (() => void) | undefined, number, number] {
  const [[width, height], setSize] = useState<[number, number]>([0, 0]);
  const ref = useCallback((element: HTMLElement | null) => {
    if (!element) return undefined;
    const measure = () => {
      const current: [number, number] = [element.clientWidth, element.clientHeight];
      setSize((previous) => (previous[0] === current[0] && previous[1] === current[1] ? previous : current));
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [ref, width, height];
}
