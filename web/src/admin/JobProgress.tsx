// Progress of a job, updated live until the job is finished, and then its outcome.
import { useEffect } from 'react';
import { useSubscription } from 'urql';
import { formatAge, formatDuration, formatInteger } from '../lib/format';
import { type JobFieldsFragment, JobUpdatesDocument } from '../gql/graphql';
import { formatExactTime, isFinished, ProgressBar, StatusBadge } from './components';
import { useSession } from './session';
import admin from './components.module.css';
import styles from './JobProgress.module.css';

const outcomeLabels: Record<JobFieldsFragment['kind'], { items: string; done: string; failed: string }> = {
  RECALCULATE_METRICS: { items: 'CPUs', done: 'recalculated', failed: 'kept their old figures' },
  VERIFY_FIGURES: { items: 'items', done: 'correct', failed: 'were incorrect' },
  REVALUE_LISTINGS: { items: 'listings', done: 'revalued', failed: 'kept their old value' },
  CLEAN_UP: { items: 'steps', done: 'done', failed: 'failed' },
};

/** Show a job. `job` is its last known state; a subscription supplies newer ones. */
export function JobProgress({ job: initialJob, title }: { job: JobFieldsFragment; title: string }) {
  const { refresh } = useSession();
  const [{ data }] = useSubscription({
    query: JobUpdatesDocument,
    variables: { id: initialJob.id },
    pause: isFinished(initialJob.status),
  });
  const update = data?.jobProgress;
  const job = update?.id === initialJob.id && !isFinished(initialJob.status) ? update : initialJob;
  const isDone = isFinished(job.status);
  useEffect(() => {
    if (isDone && !isFinished(initialJob.status)) refresh();
  }, [isDone, initialJob.status, refresh]);
  return (
    <div className={styles.job}>
      <div className={styles.head}>
        <h3>{title}</h3>
        <StatusBadge status={job.status} />
        <span className="muted number" title={formatExactTime(job.finishedAt ?? job.requestedAt)}>
          {isDone ? formatAge(job.finishedAt) : formatAge(job.requestedAt)}
        </span>
      </div>
      {!isDone && <ProgressBar done={job.done} total={job.total} label={title} />}
      <p role="status" className="number">
        {isDone && <JobOutcome job={job} />}
      </p>
    </div>
  );
}

export function JobOutcome({ job }: { job: JobFieldsFragment }) {
  const { items, done, failed } = outcomeLabels[job.kind];
  if (job.status === 'FAILED') return <span className={admin.bad}>{job.error ?? 'Failed.'}</span>;
  const duration = formatDuration(job.startedAt, job.finishedAt);
  return (
    <>
      {formatInteger(job.succeeded)} of {formatInteger(job.total)} {items} {done}
      {duration && <span className="muted"> in {duration}</span>}
      {job.failed > 0 && (
        <span className={admin.bad}>
          ; {formatInteger(job.failed)} {failed}
        </span>
      )}
    </>
  );
}
