import type { CombinedError } from '@urql/core';
import type { ReactNode } from 'react';
import { isUnavailable } from '../api/client';
import skeletons from './Skeleton.module.css';
import styles from './Panel.module.css';

export function Panel({
  title,
  id,
  aside,
  children,
}: {
  title: string;
  id: string;
  /** Content at the end of the title line. */
  aside?: ReactNode;
  children: ReactNode;
}) {
  return (
    <section className={`${styles.panel} ${styles.padded}`} aria-labelledby={`${id}-title`}>
      <div className={styles.head}>
        <h2 id={`${id}-title`}>{title}</h2>
        {aside}
      </div>
      {children}
    </section>
  );
}

export function PanelSkeleton({ title, height }: { title: string; height: number }) {
  return (
    <section className={`${styles.panel} ${styles.padded}`} style={{ minHeight: height }} aria-busy="true">
      <div className={styles.head}>
        <h2>{title}</h2>
      </div>
      <div className={`${skeletons.skeleton} ${styles.waiting}`} aria-hidden="true" />
    </section>
  );
}

/** Message in place of a part of a page that could not be loaded. */
export function PanelError({ error }: { error: CombinedError }) {
  return (
    <p className={`muted ${styles.message}`}>
      {isUnavailable(error)
        ? 'Not loaded yet: the server does not respond. It loads when the server is back.'
        : `Could not be loaded: ${error.graphQLErrors[0]?.message ?? error.message}`}
    </p>
  );
}
