import { Link } from '@tanstack/react-router';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useCallback, useEffect, useRef } from 'react';
import { CpuSummary } from '../cpu/CpuSummary';
import { shortCpuName, formatUsd, formatInteger } from '../lib/format';
import { useMediaQuery } from '../lib/useMediaQuery';
import { specificationLine } from './columns';
import type { LayoutProps } from './layoutProps';
import { useArrowKeys } from './useArrowKeys';
import { useScrollReset } from './useScrollReset';
import { writeCatalogueView } from './viewState';
import scroll from './scrollRegion.module.css';
import styles from './SplitView.module.css';

const ROW_HEIGHT = 56; // px

/** Narrow list with the selected CPU next to it. Arrow keys change the selection. Phones show the list alone. */
export function SplitView({ rows, view, change, scale, cpus, stale }: LayoutProps) {
  const region = useRef<HTMLDivElement>(null);
  useScrollReset(region, view);
  const hasDetail = useMediaQuery('(min-width: 48rem)');
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => region.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 10,
  });
  const virtualRows = virtualizer.getVirtualItems();
  const lastVisible = virtualRows.at(-1)?.index ?? 0;
  const { loadMore } = cpus;
  useEffect(() => {
    if (lastVisible >= rows.length - 30) loadMore?.();
  }, [lastVisible, rows.length, loadMore]);
  const select = useCallback(
    (index: number) => {
      const slug = rows[index]?.slug;
      if (hasDetail && slug) change({ selected: slug }, { keepPage: true, replace: true });
    },
    [rows, change, hasDetail],
  );
  const onKeyDown = useArrowKeys(region, rows.length, (index) => virtualizer.scrollToIndex(index), select);
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
        <ul className={styles.rows} style={{ height: virtualizer.getTotalSize() }} data-stale={stale || undefined}>
          {virtualRows.map(({ index, start }) => {
            const cpu = rows[index];
            if (!cpu) return null;
            const isCurrent = hasDetail && cpu.slug === selected;
            const link = hasDetail
              ? ({ to: '/', search: writeCatalogueView({ ...view, selected: cpu.slug }), replace: true } as const)
              : ({ to: '/cpu/$slug', params: { slug: cpu.slug } } as const);
            return (
              <li key={cpu.id} style={{ transform: `translateY(${start}px)` }}>
                <Link
                  {...link}
                  className={styles.row}
                  data-index={index}
                  aria-current={isCurrent ? 'true' : undefined}
                  resetScroll={false}
                >
                  <span className={styles.name}>{shortCpuName(cpu.name)}</span>
                  <span className="number">{formatUsd(cpu.priceTarget.good)}</span>
                  <span className={`muted ${styles.facts}`}>{specificationLine(cpu)}</span>
                  <span className="muted number">{formatInteger(cpu.cpuMarkMulti)}</span>
                </Link>
              </li>
            );
          })}
        </ul>
      </div>
      {hasDetail && selected && (
        <section className={styles.detail} aria-label="Selected CPU" tabIndex={0}>
          <CpuSummary slug={selected} scale={scale} linked />
        </section>
      )}
    </div>
  );
}
