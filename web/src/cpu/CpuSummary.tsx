// Summary of a CPU, shown next to the list of the catalogue.
import { Link } from '@tanstack/react-router';
import { type ReactNode } from 'react';
import { useQuery } from 'urql';
import { useConnection } from '../api/connection';
import { formatMoney, NO_VALUE, formatUsd, formatUsdPerMark, formatInteger } from '../lib/format';
import { CpuDetailsDocument } from '../gql/graphql';
import { Icon } from '../ui/Icon';
import { LoadError, Skeleton, EmptyState } from '../ui/State';
import { MarkBar, Rating, Targets } from './Indicators';
import { type DetailedCpu, listingConditionLabels, targetSummary, targetWarning } from './summaries';
import styles from './CpuSummary.module.css';

export function CpuSummary({
  slug,
  scale,
  linked = false,
}: {
  slug: string;
  scale: { multi: number; single: number };
  /** Whether the name links to the CPU page. */
  linked?: boolean;
}) {
  const [{ data, error, fetching, operation }, refetch] = useQuery({ query: CpuDetailsDocument, variables: { slug } });
  const { state } = useConnection();
  const isCurrent = operation?.variables.slug === slug;
  const cpu = data?.cpu;
  if (!cpu && data && isCurrent && !fetching)
    return (
      <EmptyState icon="search" title="CPU not found">
        No CPU has the address {slug}.
      </EmptyState>
    );
  if (!cpu && (error || (state === 'offline' && !fetching)))
    return <LoadError error={error} onRetry={() => refetch({ requestPolicy: 'network-only' })} />;
  if (!cpu) return <SummarySkeleton />;
  const warning = targetWarning(cpu.priceTarget);
  return (
    <article className={styles.summary} aria-busy={!isCurrent || fetching}>
      <header className={styles.head}>
        <h1 className={styles.name}>
          {linked ? (
            <Link to="/cpu/$slug" params={{ slug: cpu.slug }}>
              {cpu.name}
            </Link>
          ) : (
            cpu.name
          )}
        </h1>
        <Rating rating={cpu.performanceValue.rating} />
      </header>
      <p className={styles.value}>{valueSentence(cpu)}</p>
      <Section title="What it should cost">
        <Targets target={cpu.priceTarget} />
        <p className={`muted ${styles.note}`}>
          {targetSummary(cpu.priceTarget)} {warning && `${warning.title}. ${warning.text}`}
        </p>
      </Section>
      <Section title="Performance">
        <dl className={styles.marks}>
          <dt>Multi-thread mark</dt>
          <dd>
            <MarkBar value={cpu.cpuMarkMulti} max={scale.multi} />
          </dd>
          <dt>Single-thread mark</dt>
          <dd>
            <MarkBar value={cpu.cpuMarkSingle} max={scale.single} />
          </dd>
        </dl>
      </Section>
      <Section title="Specifications">
        <dl className={styles.specifications}>
          <Fact name="Maker">{cpu.manufacturer}</Fact>
          <Fact name="Socket">{cpu.socket}</Fact>
          <Fact name="Category">{cpu.category}</Fact>
          <Fact name="Cores">{cpu.cores === null ? null : formatInteger(cpu.cores)}</Fact>
          <Fact name="Threads">{cpu.threads === null ? null : formatInteger(cpu.threads)}</Fact>
          <Fact name="TDP">{cpu.tdpW === null ? null : `${formatInteger(cpu.tdpW)} W`}</Fact>
          <Fact name="Year">{cpu.releaseYear}</Fact>
          <Fact name="Graphics">{cpu.igpuModel}</Fact>
          <Fact name="Graphics mark">{cpu.igpuMark === null ? null : formatInteger(cpu.igpuMark)}</Fact>
        </dl>
      </Section>
      <Section
        title={`Cheapest listings${cpu.listings.totalCount > 0 ? ` (of ${formatInteger(cpu.listings.totalCount)})` : ''}`}
      >
        <SummaryListings cpu={cpu} />
      </Section>
    </article>
  );
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className={styles.section}>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd className="number">{children ?? NO_VALUE}</dd>
    </div>
  );
}

function valueSentence(cpu: DetailedCpu): string {
  const { percentile, dollarPerMarkMulti } = cpu.performanceValue;
  if (percentile === null) return 'No listings now, so its value is unknown.';
  if (percentile === 0)
    return `The best value of all CPUs on offer, at ${formatUsdPerMark(dollarPerMarkMulti)} per multi-thread mark.`;
  return `Better value than ${Math.round(100 - percentile)} % of the CPUs on offer, at ${formatUsdPerMark(dollarPerMarkMulti)} per multi-thread mark.`;
}

function SummaryListings({ cpu }: { cpu: DetailedCpu }) {
  if (cpu.listings.nodes.length === 0) return <p className="muted">No listings now.</p>;
  const { good } = cpu.priceTarget;
  return (
    <ul className={styles.listings}>
      {cpu.listings.nodes.map((listing) => (
        <li key={listing.id} className={styles.listing}>
          <span className={styles.title}>
            {listing.url ? (
              <a href={listing.url} target="_blank" rel="noreferrer noopener">
                {listing.title} <Icon name="external" size={12} />
              </a>
            ) : (
              listing.title
            )}
          </span>
          <span className={`muted ${styles.facts}`}>
            {[listingConditionLabels[listing.condition], listing.marketplace, listing.seller]
              .filter(Boolean)
              .join(' · ')}
          </span>
          <span
            className={`${styles.price} number`}
            title={`${formatMoney(listing.price, listing.currency)} and shipping`}
          >
            {formatUsd(listing.adjustedPrice)}
          </span>
          <Difference price={listing.adjustedPrice} good={good} />
        </li>
      ))}
    </ul>
  );
}

/** Difference between the price of a listing and the good price, in percent. */
function Difference({ price, good }: { price: number | null; good: number | null }) {
  if (price === null || good === null || good === 0) return <span />;
  const percentDifference = Math.round(((price - good) / good) * 100);
  if (percentDifference === 0) return <span className={`${styles.difference} muted`}>at the good price</span>;
  return (
    <span className={percentDifference < 0 ? `${styles.difference} ${styles.below}` : `${styles.difference} muted`}>
      {Math.abs(percentDifference)} % {percentDifference < 0 ? 'below' : 'above'} good
    </span>
  );
}

function SummarySkeleton() {
  return (
    <div className={styles.summary} role="status">
      <span className="visually-hidden">Loading the CPU</span>
      <Skeleton width={20} />
      <Skeleton width={30} />
      <Skeleton width={26} />
      <Skeleton width={28} />
    </div>
  );
}
