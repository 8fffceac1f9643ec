// What is known of a CPU: beside the list, and on its own page.
import { Link } from '@tanstack/react-router';
import { type ReactNode } from 'react';
import { useQuery } from 'urql';
import { useConnection } from '../api/connection';
import { money, NONE, usd, usdPerMark, whole } from '../lib/format';
import { CpuDetailsDocument } from '../gql/graphql';
import { Icon } from '../ui/Icon';
import { Failure, Skeleton, State } from '../ui/State';
import { MarkBar, Rating, Targets } from './Indicators';
import { type Cpu, conditions, targetInWords, warningInWords } from './summaries';
import styles from './CpuSummary.module.css';

export function CpuSummary({
  slug,
  scale,
  linked = false,
}: {
  slug: string;
  scale: { multi: number; single: number };
  /** Its name leads to its page. */
  linked?: boolean;
}) {
  const [{ data, error, fetching, operation }, run] = useQuery({ query: CpuDetailsDocument, variables: { slug } });
  const { state } = useConnection();
  const current = operation?.variables.slug === slug;
  const cpu = data?.cpu;
  if (!cpu && data && current && !fetching)
    return (
      <State icon="search" title="No CPU has this address">
        It may have been mistyped: nothing is called {slug}.
      </State>
    );
  if (!cpu && (error || (state === 'away' && !fetching)))
    return <Failure error={error} again={() => run({ requestPolicy: 'network-only' })} />;
  if (!cpu) return <Waiting />;
  const warning = warningInWords(cpu.priceTarget);
  return (
    <article className={styles.summary} aria-busy={!current || fetching}>
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
      <p className={styles.value}>{inASentence(cpu)}</p>
      <Section title="What it should cost">
        <Targets target={cpu.priceTarget} />
        <p className={`muted ${styles.note}`}>
          {targetInWords(cpu.priceTarget)} {warning && `${warning.title}. ${warning.text}`}
        </p>
      </Section>
      <Section title="Performance">
        <dl className={styles.marks}>
          <dt>Multi-thread mark</dt>
          <dd>
            <MarkBar value={cpu.cpuMarkMulti} most={scale.multi} />
          </dd>
          <dt>Single-thread mark</dt>
          <dd>
            <MarkBar value={cpu.cpuMarkSingle} most={scale.single} />
          </dd>
        </dl>
      </Section>
      <Section title="Specifications">
        <dl className={styles.specifications}>
          <Fact name="Maker">{cpu.manufacturer}</Fact>
          <Fact name="Socket">{cpu.socket}</Fact>
          <Fact name="Category">{cpu.category}</Fact>
          <Fact name="Cores">{cpu.cores === null ? null : whole(cpu.cores)}</Fact>
          <Fact name="Threads">{cpu.threads === null ? null : whole(cpu.threads)}</Fact>
          <Fact name="TDP">{cpu.tdpW === null ? null : `${whole(cpu.tdpW)} W`}</Fact>
          <Fact name="Year">{cpu.releaseYear}</Fact>
          <Fact name="Graphics">{cpu.igpuModel}</Fact>
          <Fact name="Graphics mark">{cpu.igpuMark === null ? null : whole(cpu.igpuMark)}</Fact>
        </dl>
      </Section>
      <Section
        title={`Cheapest listings${cpu.listings.totalCount > 0 ? ` (of ${whole(cpu.listings.totalCount)})` : ''}`}
      >
        <Listings cpu={cpu} />
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
      <dd className="number">{children ?? NONE}</dd>
    </div>
  );
}

function inASentence(cpu: Cpu): string {
  const { percentile, dollarPerMarkMulti } = cpu.performanceValue;
  if (percentile === null) return 'Nobody offers it now, so its value cannot be told.';
  if (percentile === 0)
    return `The best value of all CPUs on offer, at ${usdPerMark(dollarPerMarkMulti)} per multi-thread mark.`;
  return `Better value than ${Math.round(100 - percentile)} % of the CPUs on offer, at ${usdPerMark(dollarPerMarkMulti)} per multi-thread mark.`;
}

function Listings({ cpu }: { cpu: Cpu }) {
  if (cpu.listings.nodes.length === 0) return <p className="muted">Nobody offers it now.</p>;
  const { good } = cpu.priceTarget;
  return (
    <ul className={styles.listings}>
      {cpu.listings.nodes.map((offer) => (
        <li key={offer.id} className={styles.listing}>
          <span className={styles.title}>
            {offer.url ? (
              <a href={offer.url} target="_blank" rel="noreferrer noopener">
                {offer.title} <Icon name="external" size={12} />
              </a>
            ) : (
              offer.title
            )}
          </span>
          <span className={`muted ${styles.facts}`}>
            {[conditions[offer.condition], offer.marketplace, offer.seller].filter(Boolean).join(' · ')}
          </span>
          <span className={`${styles.price} number`} title={`${money(offer.price, offer.currency)} and shipping`}>
            {usd(offer.adjustedPrice)}
          </span>
          <Difference price={offer.adjustedPrice} good={good} />
        </li>
      ))}
    </ul>
  );
}

/** How far an offer is from the good price. */
function Difference({ price, good }: { price: number | null; good: number | null }) {
  if (price === null || good === null || good === 0) return <span />;
  const share = Math.round(((price - good) / good) * 100);
  if (share === 0) return <span className={`${styles.difference} muted`}>at the good price</span>;
  return (
    <span className={share < 0 ? `${styles.difference} ${styles.below}` : `${styles.difference} muted`}>
      {Math.abs(share)} % {share < 0 ? 'below' : 'above'} good
    </span>
  );
}

function Waiting() {
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
