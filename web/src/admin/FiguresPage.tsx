// Page that recalculates the stored figures and verifies them.
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useMutation, useQuery } from 'urql';
import { formatPercent, formatAge, formatInteger } from '../lib/format';
import {
  FiguresStatusDocument,
  type FiguresStatusQuery,
  RecalculateDocument,
  VerifyFiguresDocument,
} from '../gql/graphql';
import { Button } from '../ui/Button';
import { Icon } from '../ui/Icon';
import { LoadError } from '../ui/State';
import { CpuPicker, type Picked } from './CpuPicker';
import { JobProgress } from './JobProgress';
import {
  AdminsOnlyNote,
  formatExactTime,
  ErrorMessage,
  isFinished,
  LoadingPanel,
  PublicClientProvider,
} from './components';
import { useSession } from './session';
import admin from './components.module.css';
import panels from '../ui/Panel.module.css';
import forms from '../ui/forms.module.css';
import styles from './FiguresPage.module.css';

type Figures = FiguresStatusQuery;

export function FiguresPage() {
  const [{ data, error, fetching }, refetch] = useQuery({ query: FiguresStatusDocument });
  if (!data && fetching) return <LoadingPanel label="Loading figures" rows={8} />;
  if (!data) return <LoadError error={error} onRetry={() => refetch({ requestPolicy: 'network-only' })} />;
  return (
    <div className={admin.columns}>
      <Recalculation latest={data.recalculation.nodes[0]} />
      <Verification latest={data.verification.nodes[0]} consistency={data.consistency ?? undefined} />
    </div>
  );
}

type LatestJob = Figures['recalculation']['nodes'][number] | undefined;

function Recalculation({ latest }: { latest: LatestJob }) {
  const { isAdmin, refresh } = useSession();
  const [onlySelected, setOnlySelected] = useState(false);
  const [selectedCpus, setSelectedCpus] = useState<Picked[]>([]);
  const [{ data, error, fetching }, recalculate] = useMutation(RecalculateDocument);
  const job = newerJob(data?.recalculateMetrics.job, latest);
  const nothingSelected = onlySelected && selectedCpus.length === 0;
  const run = async () => {
    if (nothingSelected || fetching) return;
    const { data: started } = await recalculate({ cpuIds: onlySelected ? selectedCpus.map(({ id }) => id) : null });
    if (started) refresh();
  };
  return (
    <section className={`${panels.panel} ${admin.block}`} aria-labelledby="recalculation">
      <h2 id="recalculation">Recalculate</h2>
      <p className="muted">Compute price targets, value and ratings from the current listings and marks.</p>
      {isAdmin ? (
        <>
          <fieldset className={forms.choices}>
            <legend className="visually-hidden">CPUs</legend>
            <label className={forms.check}>
              <input type="radio" name="which" checked={!onlySelected} onChange={() => setOnlySelected(false)} /> All
              CPUs
            </label>
            <label className={forms.check}>
              <input type="radio" name="which" checked={onlySelected} onChange={() => setOnlySelected(true)} /> Selected
              CPUs
            </label>
          </fieldset>
          {onlySelected && (
            <PublicClientProvider>
              <CpuPicker picked={selectedCpus} onPick={setSelectedCpus} />
            </PublicClientProvider>
          )}
          <div className={admin.actions}>
            <Button kind="solid" aria-disabled={nothingSelected || fetching} onClick={run}>
              {onlySelected
                ? `Recalculate ${selectedCpus.length === 0 ? '' : formatInteger(selectedCpus.length)} ${selectedCpus.length === 1 ? 'CPU' : 'CPUs'}`
                : 'Recalculate all'}
            </Button>
            {nothingSelected && <span className="muted">Select at least one CPU.</span>}
          </div>
        </>
      ) : (
        <AdminsOnlyNote />
      )}
      <ErrorMessage error={error} title="Not started." />
      {job ? (
        <JobProgress key={job.id} job={job} title={isFinished(job.status) ? 'Last recalculation' : 'Recalculation'} />
      ) : (
        <p className="muted">No recalculation yet, or its job has been deleted.</p>
      )}
    </section>
  );
}

/** Return the job this page started until the query result contains it or a newer one. */
const newerJob = (requested: LatestJob, latest: LatestJob): LatestJob =>
  requested && (!latest || requested.requestedAt > latest.requestedAt) ? requested : latest;

function Verification({ latest, consistency }: { latest: LatestJob; consistency: Figures['consistency'] | undefined }) {
  const { isAdmin, refresh } = useSession();
  const [repair, setRepair] = useState(false);
  const [{ data, error, fetching }, verify] = useMutation(VerifyFiguresDocument);
  const job = newerJob(data?.verifyFigures.job, latest);
  return (
    <section className={`${panels.panel} ${admin.block}`} aria-labelledby="verification">
      <h2 id="verification">Verify</h2>
      <p className="muted">Compare each stored figure with the value computed from the data.</p>
      {isAdmin ? (
        <>
          <label className={forms.check}>
            <input type="checkbox" checked={repair} onChange={(event) => setRepair(event.target.checked)} /> Repair
            differences
          </label>
          <div className={admin.actions}>
            <Button
              kind="solid"
              aria-disabled={fetching}
              onClick={async () => {
                if (fetching) return;
                const { data: started } = await verify({ fix: repair });
                if (started) refresh();
              }}
            >
              {repair ? 'Verify and repair' : 'Verify'}
            </Button>
          </div>
        </>
      ) : (
        <AdminsOnlyNote />
      )}
      <ErrorMessage error={error} title="Not started." />
      {job && (
        <JobProgress key={job.id} job={job} title={isFinished(job.status) ? 'Last verification' : 'Verification'} />
      )}
      {consistency ? (
        <ConsistencyResult consistency={consistency} />
      ) : (
        <p className="muted">No verification yet. Figures are also verified every night.</p>
      )}
    </section>
  );
}

function ConsistencyResult({ consistency }: { consistency: NonNullable<Figures['consistency']> }) {
  const { percent: percentConsistent, total, consistent, left, fixed, verifiedAt, differences } = consistency;
  const isConsistent = consistent === total;
  return (
    <div className={styles.consistency}>
      <p className={styles.consistencyHead}>
        <strong className={isConsistent ? styles.share : `${styles.share} ${styles.incomplete}`}>
          {formatExactPercent(percentConsistent)}
        </strong>
        <span>
          <span className="number">
            {isConsistent
              ? `All ${formatInteger(total)} items were correct`
              : `${formatInteger(consistent)} of ${formatInteger(total)} items were correct`}
          </span>
          <span className="muted number" title={formatExactTime(verifiedAt)}>
            {formatAge(verifiedAt)}
            {fixed &&
              !isConsistent &&
              (left === 0 ? '; all others were repaired' : `; ${formatInteger(left)} could not be repaired`)}
          </span>
        </span>
      </p>
      {differences.length > 0 && (
        <div
          className={`${admin.tableScroll} ${admin.lowTableScroll}`}
          tabIndex={0}
          role="region"
          aria-label="Differences"
        >
          <table className={admin.table}>
            <caption className="visually-hidden">Incorrect items</caption>
            <thead>
              <tr>
                <th scope="col">Item</th>
                <th scope="col">Figures that differed</th>
              </tr>
            </thead>
            <tbody>
              {differences.map(({ slug, columns, reason }) => (
                <tr key={slug ?? ''}>
                  <th scope="row">
                    {slug ? (
                      <Link to="/cpu/$slug" params={{ slug }}>
                        {slug}
                      </Link>
                    ) : (
                      'The statistics'
                    )}
                  </th>
                  <td>
                    {columns.join(', ')}
                    {reason && (
                      <span className={admin.bad}>
                        <Icon name="warning" size={12} /> {reason}
                      </span>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {total - consistent > differences.length && differences.length > 0 && (
        <p className="muted number">The first {differences.length} are shown.</p>
      )}
    </div>
  );
}

/** Format with two decimals, because the server rounds down: 100 % means that every item is consistent. */
const formatExactPercent = (value: number): string =>
  Number.isInteger(value) ? formatPercent(value) : `${value.toFixed(2)} %`;
