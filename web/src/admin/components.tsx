// What the pages of administration are made of.
import { Link } from '@tanstack/react-router';
import { type ReactNode } from 'react';
import { type CombinedError, Provider } from 'urql';
import { client as publicClient, isAway } from '../api/client';
import { whole } from '../lib/format';
import type { ImportStatus, JobKind, JobsQuery, JobStatus } from '../gql/graphql';
import { buttonClass } from '../ui/Button';
import { Icon, type IconName } from '../ui/Icon';
import panels from '../ui/Panel.module.css';
import skeletons from '../ui/Skeleton.module.css';
import styles from './components.module.css';

const statuses: Record<JobStatus | ImportStatus, { label: string; look: string; icon?: IconName }> = {
  QUEUED: { label: 'Queued', look: 'statusWaiting' },
  RUNNING: { label: 'Running', look: 'statusRunning' },
  SUCCEEDED: { label: 'Succeeded', look: 'statusGood', icon: 'check' },
  COMPLETE: { label: 'Complete', look: 'statusGood', icon: 'check' },
  PARTIAL: { label: 'Partial', look: 'statusWarn', icon: 'warning' },
  FAILED: { label: 'Failed', look: 'statusBad', icon: 'close' },
};

export function Status({ of, label }: { of: JobStatus | ImportStatus; label?: string }) {
  const { label: usual, look, icon } = statuses[of];
  return (
    <span className={`${styles.status} ${styles[look]}`}>
      {icon ? <Icon name={icon} size={12} /> : <i className={styles.statusDot} aria-hidden="true" />}
      {label ?? usual}
    </span>
  );
}

export const isOver = (status: JobStatus | ImportStatus): boolean => status !== 'QUEUED' && status !== 'RUNNING';

export const kindNames: Record<JobKind, string> = {
  RECALCULATE_METRICS: 'Recalculation',
  VERIFY_FIGURES: 'Verification',
  REVALUE_LISTINGS: 'Revaluation',
  CLEAN_UP: 'Clean-up',
};

export function Loading({ what, rows = 6 }: { what: string; rows?: number }) {
  return (
    <div className={`${panels.panel} ${styles.loading}`} role="status">
      <span className="visually-hidden">{what}</span>
      {Array.from({ length: rows }, (_, row) => (
        <span
          key={row}
          className={skeletons.skeleton}
          style={{ width: `${60 + ((row * 37) % 35)}%` }}
          aria-hidden="true"
        />
      ))}
    </div>
  );
}

/** A bar that tells how far something is; without a total, that it goes on. */
export function Progress({ done, total, label }: { done: number; total: number | null | undefined; label: string }) {
  const known = total !== null && total !== undefined;
  return (
    <div className={styles.progress}>
      <progress aria-label={label} max={known ? Math.max(total, 1) : 1} {...(known ? { value: done } : {})} />
      <span className="number muted">{known ? `${whole(done)} of ${whole(total)}` : 'waits for a worker'}</span>
    </div>
  );
}

/** What the server says to something that was sent, word for word. */
export function Fault({ error, title }: { error: CombinedError | string | undefined; title?: string }) {
  return (
    <div role="alert" className={styles.alert}>
      {error !== undefined && (
        <p className={styles.error}>
          <Icon name="warning" />
          <span>
            {title && <strong>{title} </strong>}
            {wordsOf(error)}
          </span>
        </p>
      )}
    </div>
  );
}

export function wordsOf(error: CombinedError | string): string {
  if (typeof error === 'string') return error;
  if (error.networkError && isAway(error)) return 'The server did not answer. Try again once it is back.';
  return error.graphQLErrors.map(({ message }) => message).join(' ') || error.message;
}

/** Told to operators beside what only admins may do. */
export function AdminsOnly() {
  return (
    <p className={styles.note}>
      <Icon name="info" /> Only admins may do this; your token is an operator&rsquo;s.
    </p>
  );
}

/** What everybody may read is asked for without the token. */
export function Public({ children }: { children: ReactNode }) {
  return <Provider value={publicClient}>{children}</Provider>;
}

export const PAGE = 50;
export type Place = { after?: string; before?: string };

/** Which page of a list an address means. */
export function pageOf({ after, before }: Place, size = PAGE) {
  return before === undefined ? { first: size, ...(after === undefined ? {} : { after }) } : { last: size, before };
}

export const placeIn = (search: Record<string, unknown>): Place => ({
  ...(typeof search.after === 'string' ? { after: search.after } : {}),
  ...(typeof search.before === 'string' ? { before: search.before } : {}),
});

/** To the pages before and after this one; nothing where there is only one. */
export function Pages({
  info,
  total,
  what,
  search = {},
  order = ['Newer', 'Older'],
}: {
  info: JobsQuery['jobs']['pageInfo'];
  total: number;
  what: string;
  search?: Record<string, string>;
  order?: [string, string];
}) {
  if (!info.hasNextPage && !info.hasPreviousPage) return null;
  const link = (there: boolean, place: Place, label: string, icon: IconName) =>
    there ? (
      <Link to="." search={{ ...search, ...place } as never} className={buttonClass({ size: 'small' })}>
        {icon === 'left' && <Icon name="left" />}
        {label}
        {icon === 'right' && <Icon name="right" />}
      </Link>
    ) : null;
  return (
    <nav className={styles.pagination} aria-label={`Pages of ${what}`}>
      {link(info.hasPreviousPage, { before: info.startCursor ?? '' }, order[0], 'left')}
      <span className="muted number">
        {whole(total)} {what}
      </span>
      {link(info.hasNextPage, { after: info.endCursor ?? '' }, order[1], 'right')}
    </nav>
  );
}

/** How long something took: 40 ms, 2.4 s, 12 s, 3 min 20 s. */
export function lasted(from: string | null | undefined, to: string | null | undefined): string {
  if (!from || !to) return '';
  const seconds = Math.max(0, (Date.parse(to) - Date.parse(from)) / 1_000);
  if (seconds < 0.995) return `${Math.max(1, Math.round(seconds * 1_000))} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes} min ${Math.round(seconds % 60)} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const exact = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });
export const exactly = (iso: string | null | undefined): string => (iso ? exact.format(Date.parse(iso)) : '');
