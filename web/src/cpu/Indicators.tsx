// Figures of a CPU, as every page shows them. None is told by colour alone.
import { usd, whole } from '../lib/format';
import type { CpuRowFragment, PriceConfidence, ValueRating } from '../gql/graphql';
import { ratingWords } from './ratings';
import styles from './Indicators.module.css';

export function Rating({ rating }: { rating: ValueRating | null }) {
  if (rating === null) return <span className="muted">–</span>;
  return <span className={`${styles.rating} ${styles[rating.toLowerCase()]}`}>{ratingWords[rating]}</span>;
}

const confidences: Record<PriceConfidence, { dots: number; words: string }> = {
  HIGH: { dots: 3, words: 'high confidence' },
  MEDIUM: { dots: 2, words: 'medium confidence' },
  LOW: { dots: 1, words: 'low confidence' },
  INSUFFICIENT: { dots: 0, words: 'too few prices' },
};

/** Three dots: as many filled as the target can be trusted. */
export function Confidence({ target }: { target: CpuRowFragment['priceTarget'] }) {
  const { dots, words } = confidences[target.confidence];
  const said = `${words}: ${target.sampleSize === 1 ? '1 price' : `${target.sampleSize} prices`}`;
  return (
    <span className={styles.confidence} role="img" aria-label={said} title={said}>
      {[1, 2, 3].map((dot) => (
        <i key={dot} className={dot <= dots ? styles.filled : undefined} />
      ))}
    </span>
  );
}

export const confidenceInWords = (confidence: PriceConfidence) => confidences[confidence].words;

/** A mark with a bar below it, drawn to the greatest mark of the catalogue. */
export function MarkBar({ value, most, alignEnd = false }: { value: number | null; most: number; alignEnd?: boolean }) {
  return (
    <span className={alignEnd ? `${styles.mark} ${styles.markEnd}` : styles.mark}>
      {whole(value)}
      <span className={styles.markBar} aria-hidden="true">
        <span style={{ width: value === null || most === 0 ? 0 : `${Math.max(1, (value / most) * 100)}%` }} />
      </span>
    </span>
  );
}

/** Great, good and fair, on one line from cheap to dear. */
export function Targets({ target }: { target: CpuRowFragment['priceTarget'] }) {
  const steps = [
    { label: 'Great', value: target.great, of: 'up to' },
    { label: 'Good', value: target.good, of: 'up to' },
    { label: 'Fair', value: target.fair, of: 'up to' },
  ];
  return (
    <dl className={styles.targets}>
      {steps.map(({ label, value, of }) => (
        <div key={label} className={`${styles.target} ${styles[`target${label}`] ?? ''}`}>
          <dt>
            {label} <span className="muted">{of}</span>
          </dt>
          <dd className="number">{usd(value)}</dd>
        </div>
      ))}
    </dl>
  );
}
