import type { CombinedError } from '@urql/core';
import type { ReactNode } from 'react';
import { isUnavailable } from '../api/client';
import { retryNow } from '../api/connection';
import { Button } from './Button';
import { Icon, type IconName } from './Icon';
import skeletons from './Skeleton.module.css';
import styles from './State.module.css';

/** Message in place of missing content: the reason, and what the reader can do. */
export function EmptyState({
  icon,
  warning = false,
  title,
  children,
  actions,
}: {
  icon: IconName;
  warning?: boolean;
  title: string;
  children?: ReactNode;
  actions?: ReactNode;
}) {
  return (
    <div className={styles.state}>
      <span className={warning ? `${styles.icon} ${styles.warningIcon}` : styles.icon}>
        <Icon name={icon} size={22} />
      </span>
      <h2>{title}</h2>
      {children && <p>{children}</p>}
      {actions && <div className={styles.actions}>{actions}</div>}
    </div>
  );
}

/** Message in place of data that could not be loaded: the server is unavailable, or it returned an error. */
export function LoadError({ error, onRetry }: { error?: CombinedError | undefined; onRetry: () => void }) {
  if (error === undefined || isUnavailable(error))
    return (
      <EmptyState
        icon="warning"
        warning
        title="Not loaded yet: the server does not respond"
        actions={<Button onClick={retryNow}>Try now</Button>}
      >
        Pages that you opened before are still available. This one loads when the server is back.
      </EmptyState>
    );
  return (
    <EmptyState
      icon="warning"
      warning
      title="The request failed"
      actions={<Button onClick={onRetry}>Try again</Button>}
    >
      {error.graphQLErrors[0]?.message ?? error.message}
    </EmptyState>
  );
}

/** Grey bar in place of a text that is loading. `width` is in em. */
export function Skeleton({ width = 6 }: { width?: number }) {
  return <span className={skeletons.skeleton} style={{ width: `${width}em` }} aria-hidden="true" />;
}
