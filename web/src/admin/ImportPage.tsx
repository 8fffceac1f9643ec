// One import: what has become of each URL, live until all have ended.
import { Link, useParams, useSearch } from '@tanstack/react-router';
import { useEffect } from 'react';
import { useQuery, useSubscription } from 'urql';
import { money, since, usd, whole } from '../lib/format';
import { ImportDocument, ImportUpdatesDocument, type ImportQuery } from '../gql/graphql';
import { Icon } from '../ui/Icon';
import { Failure, State } from '../ui/State';
import { exactly, isOver, lasted, Loading, pageOf, Pages, placeIn, Progress, Status } from './components';
import admin from './components.module.css';
import panels from '../ui/Panel.module.css';
import jobProgress from './JobProgress.module.css';
import styles from './ImportPage.module.css';

type Session = NonNullable<ImportQuery['importSession']>;
type Row = Session['rows']['nodes'][number];
const SOON = 300; // ms: what moved at the same time is asked for once

export function ImportPage() {
  const { id } = useParams({ from: '/admin/imports/$id' });
  const search = useSearch({ from: '/admin/imports/$id' });
  const [{ data, error, fetching }, again] = useQuery({
    query: ImportDocument,
    variables: { id, ...pageOf(placeIn(search)) },
  });
  const session = data?.importSession;
  const over = session ? isOver(session.status) : true;
  const [{ data: news }] = useSubscription({ query: ImportUpdatesDocument, variables: { id }, pause: over });
  useEffect(() => {
    // The counts moved, so some row has: which one is in the list.
    if (news === undefined) return;
    const timer = setTimeout(() => again({ requestPolicy: 'network-only' }), SOON);
    return () => clearTimeout(timer);
  }, [news, again]);
  return (
    <section className={admin.section} aria-labelledby="import">
      <nav aria-label="Back" className={styles.back}>
        <Link to="/admin/imports">
          <Icon name="left" size={14} /> Imports
        </Link>
      </nav>
      {session === undefined && fetching && <Loading what="Loading the import" />}
      {session === undefined && !fetching && (
        <Failure error={error} again={() => again({ requestPolicy: 'network-only' })} />
      )}
      {session === null && (
        <State icon="search" title="There is no such import">
          It may have been cleaned up, or the address is mistyped.
        </State>
      )}
      {session && (
        <>
          <Head session={session} />
          <ol className={panels.panel} aria-label="Pages of this import">
            {session.rows.nodes.map((row) => (
              <ImportRow key={row.id} row={row} many={session.total > 1} />
            ))}
          </ol>
          <Pages info={session.rows.pageInfo} total={session.rows.totalCount} what="rows" order={['Before', 'After']} />
        </>
      )}
    </section>
  );
}

function Head({ session }: { session: Session }) {
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
        <Status of={status} />
      </div>
      {!isOver(status) && <Progress done={done} total={total} label="Import" />}
      <dl className={styles.counts}>
        {counts.map(([label, value, look]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd className={`number ${look}`}>{whole(value)}</dd>
          </div>
        ))}
      </dl>
      <p className="muted number" role="status">
        Asked for by {requestedBy}, <span title={exactly(requestedAt)}>{since(requestedAt)}</span>
        {session.priority !== 'NORMAL' && `, ${session.priority.toLowerCase()} priority`}
        {finishedAt
          ? `; done in ${lasted(startedAt ?? requestedAt, finishedAt)}`
          : startedAt
            ? '; under way'
            : '; waits for a worker'}
      </p>
    </header>
  );
}

function ImportRow({ row, many }: { row: Row; many: boolean }) {
  const waiting = row.status === 'QUEUED' && row.attempts > 0;
  const isLink = /^https?:\/\//i.test(row.url);
  return (
    <li className={styles.row}>
      {many && <span className={`${styles.position} muted number`}>{row.position}</span>}
      <div className={styles.main}>
        <p className={styles.head}>
          <Status of={row.status} />
          {isLink ? (
            <a href={row.url} target="_blank" rel="noreferrer noopener" className={admin.breaks}>
              {row.url} <Icon name="external" size={12} />
              <span className="visually-hidden"> (opens a new tab)</span>
            </a>
          ) : (
            <code className={admin.breaks}>{row.url || 'an empty row'}</code>
          )}
        </p>
        <p className={`${styles.facts} muted number`}>
          {row.quality && <span className={admin.tag}>{row.quality === 'FULL' ? 'told in full' : 'told in part'}</span>}
          {row.adapter && <span>read by {row.adapter}</span>}
          {row.fetchedAt && <span title={exactly(row.fetchedAt)}>fetched {since(row.fetchedAt)}</span>}
          {row.attempts > 1 && <span>{row.attempts} attempts</span>}
          {row.finalUrl && row.finalUrl !== row.url && <span className={admin.breaks}>was at {row.finalUrl}</span>}
        </p>
        {row.error && (
          <p className={waiting ? `${styles.note} ${admin.warn}` : `${styles.note} ${admin.bad}`}>
            <Icon name="warning" size={14} />
            <span>
              {row.error} {row.errorCode && <code className="muted">{row.errorCode}</code>}
              {waiting && row.nextAttemptAt && ` Tried again at ${exactly(row.nextAttemptAt)}.`}
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
              <Listing key={listing.id} listing={listing} />
            ))}
          </ul>
        )}
      </div>
    </li>
  );
}

function Listing({
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
            <span className={admin.warn}>no CPU is certain</span>
          )}
          {status !== 'ACTIVE' && <span className={admin.tag}>{status.toLowerCase()}</span>}
        </span>
      </span>
      <span className={`${styles.price} number`}>
        <strong>{money(price, currency)}</strong>
        {adjustedPrice !== null && adjustedPrice !== undefined && adjustedPrice !== price && (
          <span className="muted">{usd(adjustedPrice)} adjusted</span>
        )}
      </span>
    </li>
  );
}
