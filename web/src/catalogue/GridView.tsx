import { Link } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { Confidence, MarkBar, Rating } from '../cpu/Indicators';
import { shortCpuName, formatUsd, formatUsdPerMark } from '../lib/format';
import { formatBetterThan, specificationLine } from './columns';
import type { LayoutProps } from './layoutProps';
import { useScrollReset } from './useScrollReset';
import scroll from './scrollRegion.module.css';
import styles from './GridView.module.css';

/** Cards. The browser does not render those outside the viewport (content-visibility). */
export function GridView({ rows, view, scale, cpus, stale }: LayoutProps) {
  const region = useRef<HTMLDivElement>(null);
  const endOfList = useRef<HTMLDivElement>(null);
  useScrollReset(region, view);
  const { loadMore } = cpus;
  useEffect(() => {
    if (!endOfList.current || !loadMore) return;
    const observer = new IntersectionObserver(([entry]) => entry?.isIntersecting && loadMore(), {
      root: region.current,
      rootMargin: '800px',
    });
    observer.observe(endOfList.current);
    return () => observer.disconnect();
  }, [loadMore]);
  return (
    <div
      className={`${scroll.region} ${styles.background}`}
      data-scroll-region
      ref={region}
      role="region"
      aria-label="CPUs"
      tabIndex={0}
    >
      <ul className={styles.cards} data-stale={stale || undefined}>
        {rows.map((cpu) => {
          const { good, great } = cpu.priceTarget;
          const { dollarPerMarkMulti, percentile, rating } = cpu.performanceValue;
          return (
            <li key={cpu.id} className={styles.card}>
              <div className={styles.head}>
                <h2>
                  <Link to="/cpu/$slug" params={{ slug: cpu.slug }} className={styles.link} title={cpu.name}>
                    {shortCpuName(cpu.name)}
                  </Link>
                </h2>
                <Rating rating={rating} />
              </div>
              <p className={`muted ${styles.facts}`}>{specificationLine(cpu)}</p>
              <div className={styles.price}>
                <span className={`${styles.goodPrice} number`}>{formatUsd(good)}</span>
                <Confidence target={cpu.priceTarget} />
                <span className="muted">{great === null ? 'No price target' : `great up to ${formatUsd(great)}`}</span>
              </div>
              <dl className={styles.marks}>
                <div>
                  <dt>Multi-thread</dt>
                  <dd>
                    <MarkBar value={cpu.cpuMarkMulti} max={scale.multi} />
                  </dd>
                </div>
                <div>
                  <dt>Single-thread</dt>
                  <dd>
                    <MarkBar value={cpu.cpuMarkSingle} max={scale.single} />
                  </dd>
                </div>
              </dl>
              <p className={`${styles.foot} muted number`}>
                {percentile === null
                  ? 'No listings'
                  : `${formatUsdPerMark(dollarPerMarkMulti)} per mark, ${percentile === 0 ? 'the best value' : `better than ${formatBetterThan(percentile)}`}`}
              </p>
            </li>
          );
        })}
      </ul>
      <div ref={endOfList} />
    </div>
  );
}
