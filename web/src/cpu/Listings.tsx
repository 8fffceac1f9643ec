import { formatMoney, formatUsd } from '../lib/format';
import { Icon } from '../ui/Icon';
import { conditionLabels, type CpuListing } from './summaries';
import panels from '../ui/Panel.module.css';
import styles from './Listings.module.css';

/** Offers, cheapest first, each with how far it is from the good price. */
export function Listings({ listings, good }: { listings: CpuListing[]; good: number | null }) {
  if (listings.length === 0)
    return (
      <p className={`muted ${panels.message}`}>
        Nobody offers it now. Listings appear here by themselves when they come in.
      </p>
    );
  return (
    <ol className={styles.listings}>
      {listings.map((listing) => (
        <li key={listing.id} className={styles.listing}>
          <span className={styles.title}>
            {listing.url ? (
              <a href={listing.url} target="_blank" rel="noopener noreferrer nofollow">
                <ExternalLinkText text={listing.title} />
              </a>
            ) : (
              listing.title
            )}
          </span>
          <span className={`${styles.facts} muted`}>
            <span className={styles.condition}>{conditionLabels[listing.condition]}</span>
            <span>{listing.marketplace}</span>
            {listing.seller && <span>{listing.seller}</span>}
          </span>
          <Price listing={listing} />
          <Difference price={listing.adjustedPrice} good={good} />
        </li>
      ))}
    </ol>
  );
}

/** A text with the sign of what opens elsewhere, which stays with the last word. */
function ExternalLinkText({ text }: { text: string }) {
  const lastWordStart = text.lastIndexOf(' ') + 1;
  return (
    <>
      {text.slice(0, lastWordStart)}
      <span className={styles.lastWord}>
        {text.slice(lastWordStart)} <Icon name="external" size={12} />
      </span>
      <span className="visually-hidden"> (opens in a new tab)</span>
    </>
  );
}

/** In USD with shipping; what was asked for, where that is something else. */
function Price({ listing }: { listing: CpuListing }) {
  const { adjustedPrice, price, currency, shipping } = listing;
  if (adjustedPrice === null)
    return (
      <span className={styles.price}>
        <strong className="number">{formatMoney(price, currency)}</strong>
        <span className={`muted ${styles.originalPrice}`}>not counted</span>
      </span>
    );
  const originalPrice =
    currency === 'USD' && !shipping
      ? undefined
      : `${formatMoney(price, currency)}${shipping ? ` + ${formatMoney(shipping, currency)}` : ''}`;
  return (
    <span className={styles.price}>
      <strong className="number">{formatUsd(adjustedPrice)}</strong>
      {originalPrice && <span className={`muted ${styles.originalPrice} number`}>{originalPrice}</span>}
    </span>
  );
}

/** By sign, by words and by colour: how much dearer or cheaper than the good price. */
function Difference({ price, good }: { price: number | null; good: number | null }) {
  if (price === null || !good) return <span className={`${styles.difference} muted`}>–</span>;
  const difference = price - good;
  const percentDifference = Math.round((difference / good) * 100);
  if (Math.abs(difference) < 0.005) return <span className={`${styles.difference} muted`}>at the good price</span>;
  const isBelow = difference < 0;
  const sign = isBelow ? '−' : '+';
  return (
    <span className={isBelow ? `${styles.difference} ${styles.below}` : `${styles.difference} ${styles.above}`}>
      <span className="number">
        {sign}
        {formatUsd(Math.abs(difference))} ({sign}
        {Math.abs(percentDifference)} %)
      </span>{' '}
      <span className={styles.differenceLabel}>{isBelow ? 'below good' : 'above good'}</span>
    </span>
  );
}
