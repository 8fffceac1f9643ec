import { Link } from '@tanstack/react-router';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useCallback, useEffect, useRef } from 'react';
import { CpuSummary } from '../cpu/CpuSummary';
import { shortName, usd, whole } from '../lib/format';
import { useMedia } from '../lib/useMediaQuery';
import { inWords } from './columns';
import type { LayoutProps } from './layoutProps';
import { useArrows } from './useArrowKeys';
import { useTop } from './useScrollReset';
import { writeView } from './viewState';
import scroll from './scrollRegion.module.css';
import styles from './SplitView.module.css';

const ROW = 56; // px

/** A narrow list, and beside it what is known of the chosen CPU; arrows go through both. On phones, the list alone. */
export function SplitView({ rows, view, change, scale, cpus, stale }: LayoutProps) {
  const region = useRef<HTMLDivElement>(null);
  useTop(region, view);
  const roomy = useMedia('(min-width: 48rem)');
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => region.current,
    estimateSize: () => ROW,
    overscan: 10,
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  const { more } = cpus;
  useEffect(() => {
    if (last >= rows.length - 30) more?.();
  }, [last, rows.length, more]);
  const select = useCallback(
    (index: number) => {
      const slug = rows[index]?.slug;
      if (roomy && slug) change({ selected: slug }, { keepPage: true, replace: true });
    },
    [rows, change, roomy],
  );
  const onKeyDown = useArrows(region, rows.length, (index) => virtual.scrollToIndex(index), select);
  const selected = view.selected ?? rows[0]?.slug;
  return (
    <div className={styles.split}>
      <div
        className={`${scroll.region} ${styles.list}`}
        data-scroll-region
        ref={region}
        role="region"
        aria-label="CPUs"
        tabIndex={0}
        onKeyDown={onKeyDown}
      >
        <ul className={styles.rows} style={{ height: virtual.getTotalSize() }} data-stale={stale || undefined}>
          {items.map(({ index, start }) => {
            const cpu = rows[index];
            if (!cpu) return null;
            const here = roomy && cpu.slug === selected;
            const link = roomy
              ? ({ to: '/', search: writeView({ ...view, selected: cpu.slug }), replace: true } as const)
              : ({ to: '/cpu/$slug', params: { slug: cpu.slug } } as const);
            return (
              <li key={cpu.id} style={{ transform: `translateY(${start}px)` }}>
                <Link
                  {...link}
                  className={styles.row}
                  data-index={index}
                  aria-current={here ? 'true' : undefined}
                  resetScroll={false}
                >
                  <span className={styles.name}>{shortName(cpu.name)}</span>
                  <span className="number">{usd(cpu.priceTarget.good)}</span>
                  <span className={`muted ${styles.facts}`}>{inWords(cpu)}</span>
                  <span className="muted number">{whole(cpu.cpuMarkMulti)}</span>
                </Link>
              </li>
            );
          })}
        </ul>
      </div>
      {roomy && selected && (
        <section className={styles.detail} aria-label="The chosen CPU" tabIndex={0}>
          <CpuSummary slug={selected} scale={scale} linked />
        </section>
      )}
    </div>
  );
}
