// Page of one import: the result of each URL, updated live until the import is finished.
import { Link, useParams, useSearch } from '@tanstack/react-router';
import { useEffect } from 'react';
import { useQuery, useSubscription } from 'urql';
import { formatMoney, formatAge, formatDuration, formatUsd, formatInteger } from '../lib/format';
import { ImportDocument, ImportUpdatesDocument, type ImportQuery } from '../gql/graphql';
import { Icon } from '../ui/Icon';
import { LoadError, EmptyState } from '../ui/State';
import {
  formatExactTime,
  isFinished,
  LoadingPanel,
  pageVariables,
  Pagination,
  cursorOf,
  ProgressBar,
  StatusBadge,
} from './components';
import admin from './components.module.css';
import panels from '../ui/Panel.module.css';
import jobProgress from './JobProgress.module.css';
import styles from './ImportPage.module.css';

type ImportSession = NonNullable<ImportQuery['importSession']>;
type Row = ImportSession['rows']['nodes'][number];
const REFETCH_DELAY_MS = 300; // delay in ms, so that several updates cause one request

export function ImportPage() {
  const { id } = useParams({ from: '/admin/imports/$id' });
  const search = useSearch({ from: '/admin/imports/$id' });
  const [{ data, error, fetching }, refetch] = useQuery({
    query: ImportDocument,
    variables: { id, ...pageVariables(cursorOf(search)) },
  });
  const session = data?.importSession;
  const isDone = session ? isFinished(session.status) : true;
  const [{ data: update }] = useSubscription({ query: ImportUpdatesDocument, variables: { id }, pause: isDone });
  useEffect(() => {
    // The update has counts only. Fetch the rows again to see which one changed.
    if (update === undefined) return;
    const timer = setTimeout(() => refetch({ requestPolicy: 'network-only' }), REFETCH_DELAY_MS);
    return () => clearTimeout(timer);
  }, [update, refetch]);
  return (
    <section className={admin.section} aria-labelledby="import">
      <nav aria-label="Back" className={styles.back}>
        <Link to="/admin/imports">
          <Icon name="left" size={14} /> Imports
        </Link>
      </nav>
      {session === undefined && fetching && <LoadingPanel label="Loading the import" />}
      {session === undefined && !fetching && (
        <LoadError error={error} onRetry={() => refetch({ requestPolicy: 'network-only' })} />
      )}
      {session === null && (
        <EmptyState icon="search" title="Import not found">
          It may have been deleted, or the address is wrong.
        </EmptyState>
      )}
      {session && (
        <>
          <ImportHeader session={session} />
          <ol className={panels.panel} aria-label="Pages of this import">
            {session.rows.nodes.map((row) => (
              <ImportRow key={row.id} row={row} showPosition={session.total > 1} />
            ))}
          </ol>
          <Pagination
            info={session.rows.pageInfo}
            total={session.rows.totalCount}
            itemName="rows"
            linkLabels={['Previous', 'Next']}
          />
        </>
      )}
    </section>
  );
}

function ImportHeader({ session }: { session: ImportSession }) {
  const { name, status, total, done, complete, partial, failed, requestedAt, requestedBy, startedAt, finishedAt } =
    session;
  const counts = [
    ['Pages', total, ''],
    ['Complete', complete, ''],
    ['Partial', partial, partial > 0 ? admin.warn : ''],
    ['Failed', failed, failed > 0 ? admin.bad : ''],
  ] as const;
  return (
    <header className={`${panels.panel} ${admin.block}`}>
      <div className={jobProgress.head}>
        <h2 id="import" className={admin.breaks}>
          {name}
        </h2>
        <StatusBadge status={status} />
      </div>
      {!isFinished(status) && <ProgressBar done={done} total={total} label="Import" />}
      <dl className={styles.counts}>
        {counts.map(([label, value, className]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd className={`number ${className}`}>{formatInteger(value)}</dd>
          </div>
        ))}
      </dl>
      <p className="muted number" role="status">
        Requested by {requestedBy}, <span title={formatExactTime(requestedAt)}>{formatAge(requestedAt)}</span>
        {session.priority !== 'NORMAL' && `, ${session.priority.toLowerCase()} priority`}
        {finishedAt
          ? `; finished in ${formatDuration(startedAt ?? requestedAt, finishedAt)}`
          : startedAt
            ? '; running'
            : '; waiting for a worker'}
      </p>
    </header>
  );
}

function ImportRow({ row, showPosition }: { row: Row; showPosition: boolean }) {
  const willRetry = row.status === 'QUEUED' && row.attempts > 0;
  const isLink = /^https?:\/\//i.test(row.url);
  return (
    <li className={styles.row}>
      {showPosition && <span className={`${styles.position} muted number`}>{row.position}</span>}
      <div className={styles.main}>
        <p className={styles.head}>
          <StatusBadge status={row.status} />
          {isLink ? (
            <a href={row.url} target="_blank" rel="noreferrer noopener" className={admin.breaks}>
              {row.url} <Icon name="external" size={12} />
              <span className="visually-hidden"> (opens in a new tab)</span>
            </a>
          ) : (
            <code className={admin.breaks}>{row.url || 'empty row'}</code>
          )}
        </p>
        <p className={`${styles.facts} muted number`}>
          {row.quality && (
            <span className={admin.tag}>{row.quality === 'FULL' ? 'complete data' : 'incomplete data'}</span>
          )}
          {row.adapter && <span>read by {row.adapter}</span>}
          {row.fetchedAt && <span title={formatExactTime(row.fetchedAt)}>fetched {formatAge(row.fetchedAt)}</span>}
          {row.attempts > 1 && <span>{row.attempts} attempts</span>}
          {row.finalUrl && row.finalUrl !== row.url && (
            <span className={admin.breaks}>redirected to {row.finalUrl}</span>
          )}
        </p>
        {row.error && (
          <p className={willRetry ? `${styles.note} ${admin.warn}` : `${styles.note} ${admin.bad}`}>
            <Icon name="warning" size={14} />
            <span>
              {row.error} {row.errorCode && <code className="muted">{row.errorCode}</code>}
              {willRetry && row.nextAttemptAt && ` Next attempt at ${formatExactTime(row.nextAttemptAt)}.`}
            </span>
          </p>
        )}
        {row.remarks.map((remark) => (
          <p key={remark} className={`${styles.note} muted`}>
            <Icon name="info" size={14} /> <span>{remark}</span>
          </p>
        ))}
        {row.listings.length > 0 && (
          <ul className={styles.listings}>
            {row.listings.map((listing) => (
              <ImportedListing key={listing.id} listing={listing} />
            ))}
          </ul>
        )}
      </div>
    </li>
  );
}

function ImportedListing({
  listing: { title, cpu, price, currency, adjustedPrice, status },
}: {
  listing: Row['listings'][number];
}) {
  return (
    <li className={styles.listing}>
      <span className={styles.title}>
        {title}
        <span className={styles.cpu}>
          {cpu ? (
            <Link to="/cpu/$slug" params={{ slug: cpu.slug }}>
              {cpu.name}
            </Link>
          ) : (
            <span className={admin.warn}>no CPU matched</span>
          )}
          {status !== 'ACTIVE' && <span className={admin.tag}>{status.toLowerCase()}</span>}
        </span>
      </span>
      <span className={`${styles.price} number`}>
        <strong>{formatMoney(price, currency)}</strong>
        {adjustedPrice !== null && adjustedPrice !== undefined && adjustedPrice !== price && (
          <span className="muted">{formatUsd(adjustedPrice)} adjusted</span>
        )}
      </span>
    </li>
  );
}
