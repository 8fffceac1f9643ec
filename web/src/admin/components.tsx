// Components and helpers shared by the admin pages.
import { Link } from '@tanstack/react-router';
import { type ReactNode } from 'react';
import { type CombinedError, Provider } from 'urql';
import { client as publicClient, isUnavailable } from '../api/client';
import { formatInteger } from '../lib/format';
import type { ImportStatus, JobKind, JobsQuery, JobStatus } from '../gql/graphql';
import { buttonClass } from '../ui/Button';
import { Icon, type IconName } from '../ui/Icon';
import panels from '../ui/Panel.module.css';
import skeletons from '../ui/Skeleton.module.css';
import styles from './components.module.css';

const statusBadges: Record<JobStatus | ImportStatus, { label: string; className: string; icon?: IconName }> = {
  QUEUED: { label: 'Queued', className: 'statusWaiting' },
  RUNNING: { label: 'Running', className: 'statusRunning' },
  SUCCEEDED: { label: 'Succeeded', className: 'statusGood', icon: 'check' },
  COMPLETE: { label: 'Complete', className: 'statusGood', icon: 'check' },
  PARTIAL: { label: 'Partial', className: 'statusWarn', icon: 'warning' },
  FAILED: { label: 'Failed', className: 'statusBad', icon: 'close' },
};

export function StatusBadge({ status, label }: { status: JobStatus | ImportStatus; label?: string }) {
  const { label: defaultLabel, className, icon } = statusBadges[status];
  return (
    <span className={`${styles.status} ${styles[className]}`}>
      {icon ? <Icon name={icon} size={12} /> : <i className={styles.statusDot} aria-hidden="true" />}
      {label ?? defaultLabel}
    </span>
  );
}

export const isFinished = (status: JobStatus | ImportStatus): boolean => status !== 'QUEUED' && status !== 'RUNNING';

export const jobKindLabels: Record<JobKind, string> = {
  RECALCULATE_METRICS: 'Recalculation',
  VERIFY_FIGURES: 'Verification',
  REVALUE_LISTINGS: 'Revaluation',
  CLEAN_UP: 'Clean-up',
};

export function LoadingPanel({ label, rows = 6 }: { label: string; rows?: number }) {
  return (
    <div className={`${panels.panel} ${styles.loading}`} role="status">
      <span className="visually-hidden">{label}</span>
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

/** Progress bar. Without a total it shows that the work has not started. */
export function ProgressBar({ done, total, label }: { done: number; total: number | null | undefined; label: string }) {
  const hasTotal = total !== null && total !== undefined;
  return (
    <div className={styles.progress}>
      <progress aria-label={label} max={hasTotal ? Math.max(total, 1) : 1} {...(hasTotal ? { value: done } : {})} />
      <span className="number muted">
        {hasTotal ? `${formatInteger(done)} of ${formatInteger(total)}` : 'waiting for a worker'}
      </span>
    </div>
  );
}

/** Error of a mutation or of input validation, announced to screen readers. */
export function ErrorMessage({ error, title }: { error: CombinedError | string | undefined; title?: string }) {
  return (
    <div role="alert" className={styles.alert}>
      {error !== undefined && (
        <p className={styles.error}>
          <Icon name="warning" />
          <span>
            {title && <strong>{title} </strong>}
            {errorText(error)}
          </span>
        </p>
      )}
    </div>
  );
}

function errorText(error: CombinedError | string): string {
  if (typeof error === 'string') return error;
  if (error.networkError && isUnavailable(error)) return 'The server did not respond. Try again once it is back.';
  return error.graphQLErrors.map(({ message }) => message).join(' ') || error.message;
}

/** Note for operators in place of a form for admins. */
export function AdminsOnlyNote() {
  return (
    <p className={styles.note}>
      <Icon name="info" /> Only admins can do this; your role is operator.
    </p>
  );
}

/** Provide the public client, which sends no token and shares its cache with the public pages. */
export function PublicClientProvider({ children }: { children: ReactNode }) {
  return <Provider value={publicClient}>{children}</Provider>;
}

export const PAGE_SIZE = 50;
type PageCursor = { after?: string; before?: string };

/** Return the query variables of a page of a list. */
export function pageVariables({ after, before }: PageCursor, size = PAGE_SIZE) {
  return before === undefined ? { first: size, ...(after === undefined ? {} : { after }) } : { last: size, before };
}

export const cursorOf = (search: Record<string, unknown>): PageCursor => ({
  ...(typeof search.after === 'string' ? { after: search.after } : {}),
  ...(typeof search.before === 'string' ? { before: search.before } : {}),
});

/** Links to the previous and next page; nothing if there is only one page. */
export function Pagination({
  info,
  total,
  itemName,
  search = {},
  linkLabels = ['Newer', 'Older'],
}: {
  info: JobsQuery['jobs']['pageInfo'];
  total: number;
  itemName: string;
  search?: Record<string, string>;
  linkLabels?: [string, string];
}) {
  if (!info.hasNextPage && !info.hasPreviousPage) return null;
  const pageLink = (enabled: boolean, cursor: PageCursor, label: string, icon: IconName) =>
    enabled ? (
      <Link to="." search={{ ...search, ...cursor } as never} className={buttonClass({ size: 'small' })}>
        {icon === 'left' && <Icon name="left" />}
        {label}
        {icon === 'right' && <Icon name="right" />}
      </Link>
    ) : null;
  return (
    <nav className={styles.pagination} aria-label={`Pages of ${itemName}`}>
      {pageLink(info.hasPreviousPage, { before: info.startCursor ?? '' }, linkLabels[0], 'left')}
      <span className="muted number">
        {formatInteger(total)} {itemName}
      </span>
      {pageLink(info.hasNextPage, { after: info.endCursor ?? '' }, linkLabels[1], 'right')}
    </nav>
  );
}

const exactFormat = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });
export const formatExactTime = (iso: string | null | undefined): string =>
  iso ? exactFormat.format(Date.parse(iso)) : '';
