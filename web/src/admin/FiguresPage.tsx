// Figures: computed anew, and compared with what they should be.
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useMutation, useQuery } from 'urql';
import { percent, since, whole } from '../lib/format';
import {
  FiguresStatusDocument,
  type FiguresStatusQuery,
  RecalculateDocument,
  VerifyFiguresDocument,
} from '../gql/graphql';
import { Button } from '../ui/Button';
import { Icon } from '../ui/Icon';
import { Failure } from '../ui/State';
import { CpuPicker, type Picked } from './CpuPicker';
import { JobWatch } from './JobProgress';
import { AdminsOnly, exactly, Fault, isOver, Loading, Public } from './components';
import { useSession } from './session';
import admin from './components.module.css';
import panels from '../ui/Panel.module.css';
import forms from '../ui/forms.module.css';
import styles from './FiguresPage.module.css';

type Figures = FiguresStatusQuery;

export function FiguresPage() {
  const [{ data, error, fetching }, again] = useQuery({ query: FiguresStatusDocument });
  if (!data && fetching) return <Loading what="Loading figures" rows={8} />;
  if (!data) return <Failure error={error} again={() => again({ requestPolicy: 'network-only' })} />;
  return (
    <div className={admin.columns}>
      <Recalculation latest={data.recalculation.nodes[0]} />
      <Verification latest={data.verification.nodes[0]} consistency={data.consistency ?? undefined} />
    </div>
  );
}

type Latest = Figures['recalculation']['nodes'][number] | undefined;

function Recalculation({ latest }: { latest: Latest }) {
  const { isAdmin, refresh } = useSession();
  const [some, setSome] = useState(false);
  const [picked, setPicked] = useState<Picked[]>([]);
  const [{ data, error, fetching }, recalculate] = useMutation(RecalculateDocument);
  const job = newest(data?.recalculateMetrics.job, latest);
  const missing = some && picked.length === 0;
  const run = async () => {
    if (missing || fetching) return;
    const { data: started } = await recalculate({ cpuIds: some ? picked.map(({ id }) => id) : null });
    if (started) refresh();
  };
  return (
    <section className={`${panels.panel} ${admin.block}`} aria-labelledby="recalculation">
      <h2 id="recalculation">Recalculate</h2>
      <p className="muted">Price targets, value and ratings, from the listings and marks there are.</p>
      {isAdmin ? (
        <>
          <fieldset className={forms.choices}>
            <legend className="visually-hidden">Which CPUs</legend>
            <label className={forms.check}>
              <input type="radio" name="which" checked={!some} onChange={() => setSome(false)} /> All CPUs
            </label>
            <label className={forms.check}>
              <input type="radio" name="which" checked={some} onChange={() => setSome(true)} /> Only some
            </label>
          </fieldset>
          {some && (
            <Public>
              <CpuPicker picked={picked} onPick={setPicked} />
            </Public>
          )}
          <div className={admin.actions}>
            <Button kind="solid" aria-disabled={missing || fetching} onClick={run}>
              {some
                ? `Recalculate ${picked.length === 0 ? '' : whole(picked.length)} ${picked.length === 1 ? 'CPU' : 'CPUs'}`
                : 'Recalculate all'}
            </Button>
            {missing && <span className="muted">Pick at least one CPU.</span>}
          </div>
        </>
      ) : (
        <AdminsOnly />
      )}
      <Fault error={error} title="Not started." />
      {job ? (
        <JobWatch key={job.id} job={job} title={isOver(job.status) ? 'Last recalculation' : 'Recalculation'} />
      ) : (
        <p className="muted">Nothing was recalculated yet, or it is longer ago than jobs are kept.</p>
      )}
    </section>
  );
}

/** What was asked for here comes before what the list knows, until the list knows it. */
const newest = (asked: Latest, latest: Latest): Latest =>
  asked && (!latest || asked.requestedAt > latest.requestedAt) ? asked : latest;

function Verification({ latest, consistency }: { latest: Latest; consistency: Figures['consistency'] | undefined }) {
  const { isAdmin, refresh } = useSession();
  const [fix, setFix] = useState(false);
  const [{ data, error, fetching }, verify] = useMutation(VerifyFiguresDocument);
  const job = newest(data?.verifyFigures.job, latest);
  return (
    <section className={`${panels.panel} ${admin.block}`} aria-labelledby="verification">
      <h2 id="verification">Verify</h2>
      <p className="muted">Each stored figure is compared with the one that is computed from the data.</p>
      {isAdmin ? (
        <>
          <label className={forms.check}>
            <input type="checkbox" checked={fix} onChange={(event) => setFix(event.target.checked)} /> Repair what
            differs
          </label>
          <div className={admin.actions}>
            <Button
              kind="solid"
              aria-disabled={fetching}
              onClick={async () => {
                if (fetching) return;
                const { data: started } = await verify({ fix });
                if (started) refresh();
              }}
            >
              {fix ? 'Verify and repair' : 'Verify'}
            </Button>
          </div>
        </>
      ) : (
        <AdminsOnly />
      )}
      <Fault error={error} title="Not started." />
      {job && <JobWatch key={job.id} job={job} title={isOver(job.status) ? 'Last verification' : 'Verification'} />}
      {consistency ? (
        <ConsistencyFacts of={consistency} />
      ) : (
        <p className="muted">Figures were never verified yet. It happens every night, too.</p>
      )}
    </section>
  );
}

function ConsistencyFacts({ of }: { of: NonNullable<Figures['consistency']> }) {
  const { percent: share, total, consistent, left, fixed, verifiedAt, differences } = of;
  const all = consistent === total;
  return (
    <div className={styles.consistency}>
      <p className={styles.consistencyHead}>
        <strong className={all ? styles.share : `${styles.share} ${styles.incomplete}`}>{exactPercent(share)}</strong>
        <span>
          <span className="number">
            {all ? `All ${whole(total)} items were right` : `${whole(consistent)} of ${whole(total)} items were right`}
          </span>
          <span className="muted number" title={exactly(verifiedAt)}>
            {since(verifiedAt)}
            {fixed && !all && (left === 0 ? '; all others were repaired' : `; ${whole(left)} could not be repaired`)}
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
            <caption className="visually-hidden">Items that were not right</caption>
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

/** Never 100 % unless all are right: two decimals, as the server rounds it down. */
const exactPercent = (value: number): string => (Number.isInteger(value) ? percent(value) : `${value.toFixed(2)} %`);
