import { Link, useParams } from '@tanstack/react-router';
import { lazy, Suspense, useEffect } from 'react';
import { useQuery } from 'urql';
import { useConnection } from '../api/connection';
import { SEPARATOR, nonBreaking, formatInteger } from '../lib/format';
import { CpuDistributionAndSimilarDocument, CpuDetailsDocument, FilterOptionsDocument } from '../gql/graphql';
import { buttonClass } from '../ui/Button';
import { Icon } from '../ui/Icon';
import { Panel, PanelSkeleton } from '../ui/Panel';
import { LoadError, Skeleton, EmptyState } from '../ui/State';
import { Specifications } from './Specifications';
import { Rating, Targets } from './Indicators';
import { Benchmarks } from './Benchmarks';
import { Listings } from './Listings';
import { SimilarCpus } from './SimilarCpus';
import { type DetailedCpu, targetSummary, valueSummary, targetWarning } from './summaries';
import panels from '../ui/Panel.module.css';
import skeletons from '../ui/Skeleton.module.css';
import styles from './CpuPage.module.css';

// The charts need d3's scales, so they are loaded after the figures.
const PriceDistribution = lazy(() => import('./PriceDistribution'));
const PriceHistory = lazy(() => import('./PriceHistory'));

export function CpuPage() {
  const { slug } = useParams({ from: '/cpu/$slug' });
  return (
    <div className={`page ${styles.page}`}>
      <nav aria-label="Back" className={styles.breadcrumbs}>
        <Link to="/">
          <Icon name="left" size={14} /> Catalogue
        </Link>
      </nav>
      <CpuLoader key={slug} slug={slug} />
    </div>
  );
}

function CpuLoader({ slug }: { slug: string }) {
  const [{ data, error, fetching }, refetch] = useQuery({ query: CpuDetailsDocument, variables: { slug } });
  const { state } = useConnection();
  const cpu = data?.cpu;
  const name = cpu?.name;
  useEffect(() => {
    document.title = name ? `${name} – Dealmark` : 'Dealmark';
  }, [name]);
  if (cpu) return <CpuDetails cpu={cpu} isLoading={fetching} />;
  if (data && !fetching)
    return (
      <EmptyState
        icon="search"
        title="CPU not found"
        actions={
          <Link to="/" search={{ q: slug.replaceAll('-', ' ') }} className={buttonClass()}>
            Search the catalogue
          </Link>
        }
      >
        No CPU has the address {slug}.
      </EmptyState>
    );
  if (error || (state === 'offline' && !fetching))
    return <LoadError error={error} onRetry={() => refetch({ requestPolicy: 'network-only' })} />;
  return <CpuSkeleton />;
}

function CpuDetails({ cpu, isLoading }: { cpu: DetailedCpu; isLoading: boolean }) {
  const [{ data: options }] = useQuery({ query: FilterOptionsDocument });
  const [{ data: market, error: marketError }] = useQuery({
    query: CpuDistributionAndSimilarDocument,
    variables: { slug: cpu.slug },
  });
  const statistics = options?.statistics;
  const maxMarks = { multi: statistics?.cpuMarkMulti.max ?? 0, single: statistics?.cpuMarkSingle.max ?? 0 };
  const similar = market?.cpu?.similar;
  const { dollarPerMarkMulti, percentile, dollarPerMarkSingle, percentileSingle } = cpu.performanceValue;
  const warning = targetWarning(cpu.priceTarget);
  return (
    <article aria-busy={isLoading} aria-labelledby="cpu-name">
      <header className={styles.top}>
        <div className={styles.title}>
          <h1 id="cpu-name">{cpu.name}</h1>
          <Rating rating={cpu.performanceValue.rating} />
        </div>
        <Link to="/compare" search={{ cpus: cpu.slug }} className={buttonClass()}>
          <Icon name="columns" /> Compare
        </Link>
        <p className={`muted ${styles.subtitle}`}>{subtitle(cpu)}</p>
      </header>
      <div className={styles.columns}>
        <div className={styles.main}>
          <Panel title="What it should cost" id="targets">
            <Targets target={cpu.priceTarget} />
            <p className={`muted ${styles.note}`}>{targetSummary(cpu.priceTarget)}</p>
            {warning && (
              <p className={styles.warning}>
                <Icon name="warning" />
                <span>
                  <strong>{warning.title}.</strong> {warning.text}
                </span>
              </p>
            )}
          </Panel>
          <Panel
            title="Cheapest listings"
            id="listings"
            aside={cpu.listings.totalCount > 0 && <ListingCount cpu={cpu} />}
          >
            <Listings listings={cpu.listings.nodes} good={cpu.priceTarget.good} />
          </Panel>
          <Suspense fallback={<PanelSkeleton title="Price history" height={424} />}>
            <PriceHistory slug={cpu.slug} />
          </Suspense>
        </div>
        <div className={styles.side}>
          <Panel title="Performance" id="performance">
            <Benchmarks cpu={cpu} maxMarks={maxMarks} similar={similar} />
          </Panel>
          <Panel title="Value" id="value">
            <p>{valueSummary(dollarPerMarkMulti, percentile, 'multi-thread')}</p>
            <p>{valueSummary(dollarPerMarkSingle, percentileSingle, 'single-thread')}</p>
            {cpu.priceTarget.good !== null && (
              <Link to="/map" search={{ cpu: cpu.slug }} className={panels.link}>
                Show on the map
              </Link>
            )}
          </Panel>
          <Panel title="Specifications" id="specifications">
            <Specifications cpu={cpu} />
          </Panel>
          <Suspense fallback={<PanelSkeleton title="Price distribution" height={320} />}>
            <PriceDistribution bins={market?.cpu?.priceDistribution} error={marketError} target={cpu.priceTarget} />
          </Suspense>
        </div>
      </div>
      <SimilarCpus cpu={cpu} similar={similar} error={marketError} />
    </article>
  );
}

function ListingCount({ cpu }: { cpu: DetailedCpu }) {
  const { totalCount, nodes } = cpu.listings;
  return (
    <span className="muted number">
      {totalCount === nodes.length ? formatInteger(totalCount) : `${nodes.length} of ${formatInteger(totalCount)}`}
    </span>
  );
}

function subtitle(cpu: DetailedCpu): string {
  const facts = [
    cpu.category,
    cpu.cores && `${cpu.cores} ${cpu.cores === 1 ? 'core' : 'cores'}`,
    cpu.threads && `${cpu.threads} ${cpu.threads === 1 ? 'thread' : 'threads'}`,
    cpu.socket,
    cpu.tdpW && `${cpu.tdpW} W`,
    cpu.releaseYear,
  ];
  return facts.flatMap((fact) => (fact ? nonBreaking(fact) : [])).join(SEPARATOR) || 'Specifications unknown.';
}

function CpuSkeleton() {
  return (
    <div role="status">
      <span className="visually-hidden">Loading the CPU</span>
      <div className={styles.top} aria-hidden="true">
        <div className={`${styles.title} ${styles.titleSkeleton}`}>
          <Skeleton width={18} />
        </div>
        <p className={styles.subtitle}>
          <Skeleton width={24} />
        </p>
      </div>
      <div className={styles.columns} aria-hidden="true">
        <div className={styles.main}>
          {[170, 616, 424].map((height) => (
            <div key={height} className={`${panels.panel} ${panels.padded}`} style={{ height }}>
              <Skeleton width={10} />
              <div className={`${skeletons.skeleton} ${panels.waiting}`} />
            </div>
          ))}
        </div>
        <div className={styles.side}>
          {[186, 182, 344, 320].map((height) => (
            <div key={height} className={`${panels.panel} ${panels.padded}`} style={{ height }}>
              <Skeleton width={8} />
              <div className={`${skeletons.skeleton} ${panels.waiting}`} />
            </div>
          ))}
        </div>
      </div>
    </div>
  );
}
