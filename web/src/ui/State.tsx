import type { CombinedError } from '@urql/core';
import type { ReactNode } from 'react';
import { isUnavailable } from '../api/client';
import { retryNow } from '../api/connection';
import { Button } from './Button';
import { Icon, type IconName } from './Icon';
import skeletons from './Skeleton.module.css';
import styles from './State.module.css';

/** Says, in the middle of where content would be, why there is none, and what can be done. */
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

/** Nothing could be loaded: because nobody answers, or because the server said no. */
export function LoadError({ error, onRetry }: { error?: CombinedError | undefined; onRetry: () => void }) {
  if (error === undefined || isUnavailable(error))
    return (
      <EmptyState
        icon="warning"
        warning
        title="Not loaded yet, and the server does not answer"
        actions={<Button onClick={retryNow}>Try now</Button>}
      >
        What you looked at before is still there. This appears by itself once the server is back.
      </EmptyState>
    );
  return (
    <EmptyState icon="warning" warning title="That did not work" actions={<Button onClick={onRetry}>Try again</Button>}>
      {error.graphQLErrors[0]?.message ?? error.message}
    </EmptyState>
  );
}

/** A grey bar where text will be; `width` in em. */
export function Skeleton({ width = 6 }: { width?: number }) {
  return <span className={skeletons.skeleton} style={{ width: `${width}em` }} aria-hidden="true" />;
}
