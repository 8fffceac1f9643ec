import { money, usd } from '../lib/format';
import { Icon } from '../ui/Icon';
import { conditions, type Offer } from './summaries';
import panels from '../ui/Panel.module.css';
import styles from './Listings.module.css';

/** Offers, cheapest first, each with how far it is from the good price. */
export function Offers({ offers, good }: { offers: Offer[]; good: number | null }) {
  if (offers.length === 0)
    return (
      <p className={`muted ${panels.message}`}>
        Nobody offers it now. Listings appear here by themselves when they come in.
      </p>
    );
  return (
    <ol className={styles.listings}>
      {offers.map((offer) => (
        <li key={offer.id} className={styles.listing}>
          <span className={styles.title}>
            {offer.url ? (
              <a href={offer.url} target="_blank" rel="noopener noreferrer nofollow">
                <Outward text={offer.title} />
              </a>
            ) : (
              offer.title
            )}
          </span>
          <span className={`${styles.facts} muted`}>
            <span className={styles.condition}>{conditions[offer.condition]}</span>
            <span>{offer.marketplace}</span>
            {offer.seller && <span>{offer.seller}</span>}
          </span>
          <Price offer={offer} />
          <Difference price={offer.adjustedPrice} good={good} />
        </li>
      ))}
    </ol>
  );
}

/** A text with the sign of what opens elsewhere, which stays with the last word. */
function Outward({ text }: { text: string }) {
  const last = text.lastIndexOf(' ') + 1;
  return (
    <>
      {text.slice(0, last)}
      <span className={styles.lastWord}>
        {text.slice(last)} <Icon name="external" size={12} />
      </span>
      <span className="visually-hidden"> (opens in a new tab)</span>
    </>
  );
}

/** In USD with shipping; what was asked for, where that is something else. */
function Price({ offer }: { offer: Offer }) {
  const { adjustedPrice, price, currency, shipping } = offer;
  if (adjustedPrice === null)
    return (
      <span className={styles.price}>
        <strong className="number">{money(price, currency)}</strong>
        <span className={`muted ${styles.originalPrice}`}>not counted</span>
      </span>
    );
  const asked =
    currency === 'USD' && !shipping
      ? undefined
      : `${money(price, currency)}${shipping ? ` + ${money(shipping, currency)}` : ''}`;
  return (
    <span className={styles.price}>
      <strong className="number">{usd(adjustedPrice)}</strong>
      {asked && <span className={`muted ${styles.originalPrice} number`}>{asked}</span>}
    </span>
  );
}

/** By sign, by words and by colour: how much dearer or cheaper than the good price. */
function Difference({ price, good }: { price: number | null; good: number | null }) {
  if (price === null || !good) return <span className={`${styles.difference} muted`}>–</span>;
  const difference = price - good;
  const share = Math.round((difference / good) * 100);
  if (Math.abs(difference) < 0.005) return <span className={`${styles.difference} muted`}>at the good price</span>;
  const below = difference < 0;
  const sign = below ? '−' : '+';
  return (
    <span className={below ? `${styles.difference} ${styles.below}` : `${styles.difference} ${styles.above}`}>
      <span className="number">
        {sign}
        {usd(Math.abs(difference))} ({sign}
        {Math.abs(share)} %)
      </span>{' '}
      <span className={styles.differenceLabel}>{below ? 'below good' : 'above good'}</span>
    </span>
  );
}
