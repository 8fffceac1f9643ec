import { useNavigate, useSearch } from '@tanstack/react-router';
import { useQuery, useSubscription } from 'urql';
import { formatAge, formatInteger } from '../lib/format';
import { type JobFieldsFragment, JobUpdatesDocument, type JobKind, JobsDocument, type JobStatus } from '../gql/graphql';
import { Button } from '../ui/Button';
import { LoadError, EmptyState } from '../ui/State';
import { JobOutcome } from './JobProgress';
import {
  formatExactTime,
  isFinished,
  jobKindLabels,
  LoadingPanel,
  pageVariables,
  Pagination,
  cursorOf,
  ProgressBar,
  StatusBadge,
} from './components';
import admin from './components.module.css';
import forms from '../ui/forms.module.css';
import panels from '../ui/Panel.module.css';

const jobKinds = Object.keys(jobKindLabels) as JobKind[];
const statusOptions: [JobStatus, string][] = [
  ['QUEUED', 'Queued'],
  ['RUNNING', 'Running'],
  ['SUCCEEDED', 'Succeeded'],
  ['FAILED', 'Failed'],
];

/** Table of the jobs, newest first. The filters are in the address; unfinished jobs are updated live. */
export function JobsPage() {
  const search = useSearch({ from: '/admin/jobs' });
  const navigate = useNavigate({ from: '/admin/jobs' });
  const kind = jobKinds.find((option) => option === search.kind);
  const status = statusOptions.find(([option]) => option === search.status)?.[0];
  const filter = { ...(kind ? { kind } : {}), ...(status ? { status } : {}) };
  const [{ data, error, fetching }, refetch] = useQuery({
    query: JobsDocument,
    variables: { ...filter, ...pageVariables(cursorOf(search)) },
  });
  const setFilter = (changes: Record<string, string | undefined>) =>
    void navigate({
      search: Object.fromEntries(Object.entries({ ...filter, ...changes }).filter(([, value]) => value)) as never,
    });
  const jobs = data?.jobs;
  return (
    <section aria-labelledby="jobs" className={admin.section}>
      <div className={admin.sectionHead}>
        <h2 id="jobs">Jobs</h2>
        <p role="status" className="muted number">
          {jobs && `${formatInteger(jobs.totalCount)} ${jobs.totalCount === 1 ? 'job' : 'jobs'}`}
        </p>
        <div className={admin.sectionTools}>
          <select
            className={forms.input}
            aria-label="Kind"
            value={kind ?? ''}
            onChange={(event) => setFilter({ kind: event.target.value })}
          >
            <option value="">All kinds</option>
            {jobKinds.map((option) => (
              <option key={option} value={option}>
                {jobKindLabels[option]}
              </option>
            ))}
          </select>
          <select
            className={forms.input}
            aria-label="Status"
            value={status ?? ''}
            onChange={(event) => setFilter({ status: event.target.value })}
          >
            <option value="">All statuses</option>
            {statusOptions.map(([option, label]) => (
              <option key={option} value={option}>
                {label}
              </option>
            ))}
          </select>
        </div>
      </div>
      {!jobs && fetching && <LoadingPanel label="Loading jobs" />}
      {!jobs && !fetching && <LoadError error={error} onRetry={() => refetch({ requestPolicy: 'network-only' })} />}
      {jobs?.nodes.length === 0 && (
        <EmptyState
          icon="list"
          title={kind || status ? 'No job matches' : 'No jobs yet'}
          actions={
            kind || status ? (
              <Button onClick={() => setFilter({ kind: undefined, status: undefined })}>All jobs</Button>
            ) : undefined
          }
        >
          {kind || status ? '' : 'Recalculations, verifications and nightly maintenance appear here automatically.'}
        </EmptyState>
      )}
      {jobs && jobs.nodes.length > 0 && (
        <div className={`${admin.tableScroll} ${panels.panel}`} tabIndex={0} role="region" aria-label="Table of jobs">
          <table className={admin.table}>
            <thead>
              <tr>
                <th scope="col">Job</th>
                <th scope="col">Status</th>
                <th scope="col">Progress and outcome</th>
                <th scope="col">Requested</th>
              </tr>
            </thead>
            <tbody>
              {jobs.nodes.map((job) => (
                <JobRow key={job.id} job={job} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {jobs && <Pagination info={jobs.pageInfo} total={jobs.totalCount} itemName="jobs" search={filter} />}
    </section>
  );
}

function JobRow({ job }: { job: JobFieldsFragment }) {
  // Each event updates the job in the cache, which renders this row again.
  useSubscription({ query: JobUpdatesDocument, variables: { id: job.id }, pause: isFinished(job.status) });
  return (
    <tr>
      <th scope="row">{jobKindLabels[job.kind]}</th>
      <td>
        <StatusBadge status={job.status} />
      </td>
      <td className={`number ${admin.wrap}`}>
        {isFinished(job.status) ? (
          <JobOutcome job={job} />
        ) : (
          <ProgressBar done={job.done} total={job.total} label={jobKindLabels[job.kind]} />
        )}
      </td>
      <td className="number muted" title={formatExactTime(job.requestedAt)}>
        {formatAge(job.requestedAt)}
      </td>
    </tr>
  );
}
