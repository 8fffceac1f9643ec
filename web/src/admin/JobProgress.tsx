// A job, live until it ends, and then what came of it.
import { useEffect } from 'react';
import { useSubscription } from 'urql';
import { since, whole } from '../lib/format';
import { type JobFieldsFragment, JobUpdatesDocument } from '../gql/graphql';
import { exactly, isOver, lasted, Progress, Status } from './components';
import { useSession } from './session';
import admin from './components.module.css';
import styles from './JobProgress.module.css';

const words: Record<JobFieldsFragment['kind'], { items: string; done: string; failed: string }> = {
  RECALCULATE_METRICS: { items: 'CPUs', done: 'recalculated', failed: 'kept their old figures' },
  VERIFY_FIGURES: { items: 'items', done: 'right', failed: 'were not right' },
  REVALUE_LISTINGS: { items: 'listings', done: 'valued anew', failed: 'kept their old value' },
  CLEAN_UP: { items: 'steps', done: 'done', failed: 'failed' },
};

/** `job` as it was when it was asked for; what has become of it since is followed. */
export function JobWatch({ job: first, title }: { job: JobFieldsFragment; title: string }) {
  const { refresh } = useSession();
  const [{ data }] = useSubscription({
    query: JobUpdatesDocument,
    variables: { id: first.id },
    pause: isOver(first.status),
  });
  const news = data?.jobProgress;
  const job = news?.id === first.id && !isOver(first.status) ? news : first;
  const over = isOver(job.status);
  useEffect(() => {
    if (over && !isOver(first.status)) refresh();
  }, [over, first.status, refresh]);
  return (
    <div className={styles.job}>
      <div className={styles.head}>
        <h3>{title}</h3>
        <Status of={job.status} />
        <span className="muted number" title={exactly(job.finishedAt ?? job.requestedAt)}>
          {over ? since(job.finishedAt) : since(job.requestedAt)}
        </span>
      </div>
      {!over && <Progress done={job.done} total={job.total} label={title} />}
      <p role="status" className="number">
        {over && <Outcome job={job} />}
      </p>
    </div>
  );
}

export function Outcome({ job }: { job: JobFieldsFragment }) {
  const { items, done, failed } = words[job.kind];
  if (job.status === 'FAILED') return <span className={admin.bad}>{job.error ?? 'Given up.'}</span>;
  const took = lasted(job.startedAt, job.finishedAt);
  return (
    <>
      {whole(job.succeeded)} of {whole(job.total)} {items} {done}
      {took && <span className="muted"> in {took}</span>}
      {job.failed > 0 && (
        <span className={admin.bad}>
          ; {whole(job.failed)} {failed}
        </span>
      )}
    </>
  );
}
