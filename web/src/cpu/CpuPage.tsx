import { Link, useParams } from '@tanstack/react-router';
import { lazy, Suspense, useEffect } from 'react';
import { useQuery } from 'urql';
import { useConnection } from '../api/connection';
import { BETWEEN, unbroken, whole } from '../lib/format';
import { CpuDistributionAndSimilarDocument, CpuDetailsDocument, FilterOptionsDocument } from '../gql/graphql';
import { buttonClass } from '../ui/Button';
import { Icon } from '../ui/Icon';
import { Panel, PanelSkeleton } from '../ui/Panel';
import { Failure, Skeleton, State } from '../ui/State';
import { Facts } from './Specifications';
import { Rating, Targets } from './Indicators';
import { Marks } from './Benchmarks';
import { Offers } from './Listings';
import { Similar } from './SimilarCpus';
import { type Cpu, targetInWords, valueInWords, warningInWords } from './summaries';
import panels from '../ui/Panel.module.css';
import skeletons from '../ui/Skeleton.module.css';
import styles from './CpuPage.module.css';

// Charts bring d3's scales: they come after the figures.
const Distribution = lazy(() => import('./PriceDistribution'));
const History = lazy(() => import('./PriceHistory'));

export function CpuPage() {
  const { slug } = useParams({ from: '/cpu/$slug' });
  return (
    <div className={`page ${styles.page}`}>
      <nav aria-label="Back" className={styles.breadcrumbs}>
        <Link to="/">
          <Icon name="left" size={14} /> Catalogue
        </Link>
      </nav>
      <Loaded key={slug} slug={slug} />
    </div>
  );
}

function Loaded({ slug }: { slug: string }) {
  const [{ data, error, fetching }, run] = useQuery({ query: CpuDetailsDocument, variables: { slug } });
  const { state } = useConnection();
  const cpu = data?.cpu;
  const name = cpu?.name;
  useEffect(() => {
    document.title = name ? `${name} – Dealmark` : 'Dealmark';
  }, [name]);
  if (cpu) return <Known cpu={cpu} busy={fetching} />;
  if (data && !fetching)
    return (
      <State
        icon="search"
        title="No CPU has this address"
        actions={
          <Link to="/" search={{ q: slug.replaceAll('-', ' ') }} className={buttonClass()}>
            Search the catalogue
          </Link>
        }
      >
        It may have been mistyped: nothing is called {slug}.
      </State>
    );
  if (error || (state === 'away' && !fetching))
    return <Failure error={error} again={() => run({ requestPolicy: 'network-only' })} />;
  return <Waiting />;
}

function Known({ cpu, busy }: { cpu: Cpu; busy: boolean }) {
  const [{ data: choices }] = useQuery({ query: FilterOptionsDocument });
  const [{ data: market, error: fault }] = useQuery({
    query: CpuDistributionAndSimilarDocument,
    variables: { slug: cpu.slug },
  });
  const statistics = choices?.statistics;
  const best = { multi: statistics?.cpuMarkMulti.max ?? 0, single: statistics?.cpuMarkSingle.max ?? 0 };
  const similar = market?.cpu?.similar;
  const { dollarPerMarkMulti, percentile, dollarPerMarkSingle, percentileSingle } = cpu.performanceValue;
  const warning = warningInWords(cpu.priceTarget);
  return (
    <article aria-busy={busy} aria-labelledby="cpu-name">
      <header className={styles.top}>
        <div className={styles.title}>
          <h1 id="cpu-name">{cpu.name}</h1>
          <Rating rating={cpu.performanceValue.rating} />
        </div>
        <Link to="/compare" search={{ cpus: cpu.slug }} className={buttonClass()}>
          <Icon name="columns" /> Compare
        </Link>
        <p className={`muted ${styles.subtitle}`}>{inShort(cpu)}</p>
      </header>
      <div className={styles.columns}>
        <div className={styles.main}>
          <Panel title="What it should cost" id="targets">
            <Targets target={cpu.priceTarget} />
            <p className={`muted ${styles.note}`}>{targetInWords(cpu.priceTarget)}</p>
            {warning && (
              <p className={styles.warning}>
                <Icon name="warning" />
                <span>
                  <strong>{warning.title}.</strong> {warning.text}
                </span>
              </p>
            )}
          </Panel>
          <Panel title="Cheapest listings" id="listings" aside={cpu.listings.totalCount > 0 && <ShownOf cpu={cpu} />}>
            <Offers offers={cpu.listings.nodes} good={cpu.priceTarget.good} />
          </Panel>
          <Suspense fallback={<PanelSkeleton title="Price history" height={424} />}>
            <History slug={cpu.slug} />
          </Suspense>
        </div>
        <div className={styles.side}>
          <Panel title="Performance" id="performance">
            <Marks cpu={cpu} best={best} similar={similar} />
          </Panel>
          <Panel title="Value" id="value">
            <p>{valueInWords(dollarPerMarkMulti, percentile, 'multi-thread')}</p>
            <p>{valueInWords(dollarPerMarkSingle, percentileSingle, 'single-thread')}</p>
            {cpu.priceTarget.good !== null && (
              <Link to="/map" search={{ cpu: cpu.slug }} className={panels.link}>
                See it on the map
              </Link>
            )}
          </Panel>
          <Panel title="Specifications" id="specifications">
            <Facts cpu={cpu} />
          </Panel>
          <Suspense fallback={<PanelSkeleton title="Price distribution" height={320} />}>
            <Distribution bins={market?.cpu?.priceDistribution} error={fault} target={cpu.priceTarget} />
          </Suspense>
        </div>
      </div>
      <Similar cpu={cpu} similar={similar} error={fault} />
    </article>
  );
}

function ShownOf({ cpu }: { cpu: Cpu }) {
  const { totalCount, nodes } = cpu.listings;
  return (
    <span className="muted number">
      {totalCount === nodes.length ? whole(totalCount) : `${nodes.length} of ${whole(totalCount)}`}
    </span>
  );
}

function inShort(cpu: Cpu): string {
  const known = [
    cpu.category,
    cpu.cores && `${cpu.cores} ${cpu.cores === 1 ? 'core' : 'cores'}`,
    cpu.threads && `${cpu.threads} ${cpu.threads === 1 ? 'thread' : 'threads'}`,
    cpu.socket,
    cpu.tdpW && `${cpu.tdpW} W`,
    cpu.releaseYear,
  ];
  return (
    known.flatMap((fact) => (fact ? unbroken(fact) : [])).join(BETWEEN) || 'Nothing is known of its specifications.'
  );
}

function Waiting() {
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
