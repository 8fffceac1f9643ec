import { useNavigate, useSearch } from '@tanstack/react-router';
import { useQuery, useSubscription } from 'urql';
import { since, whole } from '../lib/format';
import { type JobFieldsFragment, JobUpdatesDocument, type JobKind, JobsDocument, type JobStatus } from '../gql/graphql';
import { Button } from '../ui/Button';
import { Failure, State } from '../ui/State';
import { Outcome } from './JobProgress';
import { exactly, isOver, kindNames, Loading, pageOf, Pages, placeIn, Progress, Status } from './components';
import admin from './components.module.css';
import forms from '../ui/forms.module.css';
import panels from '../ui/Panel.module.css';

const kinds = Object.keys(kindNames) as JobKind[];
const states: [JobStatus, string][] = [
  ['QUEUED', 'Queued'],
  ['RUNNING', 'Running'],
  ['SUCCEEDED', 'Succeeded'],
  ['FAILED', 'Failed'],
];

/** The jobs, the newest first; filters are in the address, unfinished ones are live. */
export function JobsPage() {
  const search = useSearch({ from: '/admin/jobs' });
  const navigate = useNavigate({ from: '/admin/jobs' });
  const kind = kinds.find((each) => each === search.kind);
  const status = states.find(([each]) => each === search.status)?.[0];
  const filter = { ...(kind ? { kind } : {}), ...(status ? { status } : {}) };
  const [{ data, error, fetching }, again] = useQuery({
    query: JobsDocument,
    variables: { ...filter, ...pageOf(placeIn(search)) },
  });
  const go = (next: Record<string, string | undefined>) =>
    void navigate({
      search: Object.fromEntries(Object.entries({ ...filter, ...next }).filter(([, value]) => value)) as never,
    });
  const jobs = data?.jobs;
  return (
    <section aria-labelledby="jobs" className={admin.section}>
      <div className={admin.sectionHead}>
        <h2 id="jobs">Jobs</h2>
        <p role="status" className="muted number">
          {jobs && `${whole(jobs.totalCount)} ${jobs.totalCount === 1 ? 'job' : 'jobs'}`}
        </p>
        <div className={admin.sectionTools}>
          <select
            className={forms.input}
            aria-label="Kind"
            value={kind ?? ''}
            onChange={(event) => go({ kind: event.target.value })}
          >
            <option value="">All kinds</option>
            {kinds.map((each) => (
              <option key={each} value={each}>
                {kindNames[each]}
              </option>
            ))}
          </select>
          <select
            className={forms.input}
            aria-label="Status"
            value={status ?? ''}
            onChange={(event) => go({ status: event.target.value })}
          >
            <option value="">Every status</option>
            {states.map(([each, label]) => (
              <option key={each} value={each}>
                {label}
              </option>
            ))}
          </select>
        </div>
      </div>
      {!jobs && fetching && <Loading what="Loading jobs" />}
      {!jobs && !fetching && <Failure error={error} again={() => again({ requestPolicy: 'network-only' })} />}
      {jobs?.nodes.length === 0 && (
        <State
          icon="list"
          title={kind || status ? 'No job is like that' : 'There were no jobs yet'}
          actions={
            kind || status ? (
              <Button onClick={() => go({ kind: undefined, status: undefined })}>All jobs</Button>
            ) : undefined
          }
        >
          {kind || status ? '' : 'Recalculations, verifications and what the night does appear here by themselves.'}
        </State>
      )}
      {jobs && jobs.nodes.length > 0 && (
        <div className={`${admin.tableScroll} ${panels.panel}`} tabIndex={0} role="region" aria-label="Table of jobs">
          <table className={admin.table}>
            <thead>
              <tr>
                <th scope="col">Job</th>
                <th scope="col">Status</th>
                <th scope="col">Progress and outcome</th>
                <th scope="col">Asked for</th>
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
      {jobs && <Pages info={jobs.pageInfo} total={jobs.totalCount} what="jobs" search={filter} />}
    </section>
  );
}

function JobRow({ job }: { job: JobFieldsFragment }) {
  // Its news changes the job in the cache, and so here.
  useSubscription({ query: JobUpdatesDocument, variables: { id: job.id }, pause: isOver(job.status) });
  return (
    <tr>
      <th scope="row">{kindNames[job.kind]}</th>
      <td>
        <Status of={job.status} />
      </td>
      <td className={`number ${admin.wrap}`}>
        {isOver(job.status) ? (
          <Outcome job={job} />
        ) : (
          <Progress done={job.done} total={job.total} label={kindNames[job.kind]} />
        )}
      </td>
      <td className="number muted" title={exactly(job.requestedAt)}>
        {since(job.requestedAt)}
      </td>
    </tr>
  );
}
