import { formatMoney, formatUsd } from '../lib/format';
import { Icon } from '../ui/Icon';
import { listingConditionLabels, type CpuListing } from './summaries';
import panels from '../ui/Panel.module.css';
import styles from './Listings.module.css';

/** Listings, cheapest first, each with its difference from the good price. */
export function Listings({ listings, good }: { listings: CpuListing[]; good: number | null }) {
  if (listings.length === 0)
    return <p className={`muted ${panels.message}`}>No listings now. New listings appear here automatically.</p>;
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
            <span className={styles.condition}>{listingConditionLabels[listing.condition]}</span>
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

/** Text of an external link. Its icon stays on the line of the last word. */
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

/** Price in USD including shipping, and the original price if it differs. */
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

/** Difference from the good price, shown by sign, words and colour. */
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
