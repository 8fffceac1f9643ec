// Figures of a CPU as every page shows them. No meaning depends on colour alone.
import { formatUsd, formatInteger } from '../lib/format';
import type { CpuRowFragment, PriceConfidence, ValueRating } from '../gql/graphql';
import { ratingLabels } from './ratings';
import styles from './Indicators.module.css';

export function Rating({ rating }: { rating: ValueRating | null }) {
  if (rating === null) return <span className="muted">–</span>;
  return <span className={`${styles.rating} ${styles[rating.toLowerCase()]}`}>{ratingLabels[rating]}</span>;
}

const confidenceLevels: Record<PriceConfidence, { dots: number; label: string }> = {
  HIGH: { dots: 3, label: 'high confidence' },
  MEDIUM: { dots: 2, label: 'medium confidence' },
  LOW: { dots: 1, label: 'low confidence' },
  INSUFFICIENT: { dots: 0, label: 'too few prices' },
};

/** Three dots: the more are filled, the more reliable is the price target. */
export function Confidence({ target }: { target: CpuRowFragment['priceTarget'] }) {
  const { dots, label } = confidenceLevels[target.confidence];
  const description = `${label}: ${target.sampleSize === 1 ? '1 price' : `${target.sampleSize} prices`}`;
  return (
    <span className={styles.confidence} role="img" aria-label={description} title={description}>
      {[1, 2, 3].map((dot) => (
        <i key={dot} className={dot <= dots ? styles.filled : undefined} />
      ))}
    </span>
  );
}

export const confidenceLabel = (confidence: PriceConfidence) => confidenceLevels[confidence].label;

/** A mark with a bar relative to `max`. */
export function MarkBar({ value, max, alignEnd = false }: { value: number | null; max: number; alignEnd?: boolean }) {
  return (
    <span className={alignEnd ? `${styles.mark} ${styles.markEnd}` : styles.mark}>
      {formatInteger(value)}
      <span className={styles.markBar} aria-hidden="true">
        <span style={{ width: value === null || max === 0 ? 0 : `${Math.max(1, (value / max) * 100)}%` }} />
      </span>
    </span>
  );
}

/** The great, good and fair price. */
export function Targets({ target }: { target: CpuRowFragment['priceTarget'] }) {
  const steps = [
    { label: 'Great', value: target.great, of: 'up to' },
    { label: 'Good', value: target.good, of: 'up to' },
    { label: 'Fair', value: target.fair, of: 'up to' },
  ];
  return (
    <dl className={styles.targets}>
      {steps.map(({ label, value, of: qualifier }) => (
        <div key={label} className={`${styles.target} ${styles[`target${label}`] ?? ''}`}>
          <dt>
            {label} <span className="muted">{qualifier}</span>
          </dt>
          <dd className="number">{formatUsd(value)}</dd>
        </div>
      ))}
    </dl>
  );
}
