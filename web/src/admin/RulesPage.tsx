// Rules by which what is offered beside a CPU is valued: listed for operators, changed by admins.
import { AlertDialog } from '@base-ui/react/alert-dialog';
import { Dialog } from '@base-ui/react/dialog';
import { useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { useMutation, useQuery } from 'urql';
import { since, usd, whole } from '../lib/format';
import { DeleteRuleDocument, type JobFieldsFragment, type RuleFieldsFragment, RulesDocument } from '../gql/graphql';
import { Button, IconButton } from '../ui/Button';
import { Failure, State } from '../ui/State';
import { JobWatch } from './JobProgress';
import { AdminsOnly, exactly, Fault, Loading, pageOf, Pages, placeIn } from './components';
import { RuleForm } from './RuleForm';
import { componentNames, conditionNames, nameOf } from './rules';
import { useSession } from './session';
import admin from './components.module.css';
import panels from '../ui/Panel.module.css';
import popups from '../ui/popup.module.css';
import dialogs from './dialog.module.css';
import styles from './RulesPage.module.css';

export function RulesPage() {
  const { isAdmin } = useSession();
  const search = useSearch({ from: '/admin/rules' });
  const [{ data, error, fetching }, again] = useQuery({ query: RulesDocument, variables: pageOf(placeIn(search)) });
  const [job, setJob] = useState<JobFieldsFragment>();
  const rules = data?.valuationRules;
  const [now] = useState(Date.now);
  return (
    <section aria-labelledby="rules" className={admin.section}>
      <div className={admin.sectionHead}>
        <h2 id="rules">Valuation rules</h2>
        <p role="status" className="muted number">
          {rules && `${whole(rules.totalCount)} ${rules.totalCount === 1 ? 'rule' : 'rules'}`}
        </p>
        <div className={admin.sectionTools}>{isAdmin && <Edit onSaved={setJob} />}</div>
      </div>
      <p className="muted">
        What is offered beside a CPU is taken off the price of an offer by these rules. A change values the offers
        concerned anew.
      </p>
      {!isAdmin && <AdminsOnly />}
      {job && (
        <div className={`${panels.panel} ${admin.block}`}>
          <JobWatch key={job.id} job={job} title="Offers are valued anew" />
        </div>
      )}
      {!rules && fetching && <Loading what="Loading rules" />}
      {!rules && !fetching && <Failure error={error} again={() => again({ requestPolicy: 'network-only' })} />}
      {rules?.nodes.length === 0 && (
        <State icon="list" title="There are no rules">
          Memory, drives, graphics and operating systems are not taken off until there is a rule for them.
        </State>
      )}
      {rules && rules.nodes.length > 0 && (
        <div className={`${admin.tableScroll} ${panels.panel}`} tabIndex={0} role="region" aria-label="Table of rules">
          <table className={admin.table}>
            <thead>
              <tr>
                <th scope="col">What</th>
                <th scope="col" className={admin.end}>
                  Value
                </th>
                <th scope="col">By condition</th>
                <th scope="col">In force</th>
                {isAdmin && (
                  <th scope="col">
                    <span className="visually-hidden">Change</span>
                  </th>
                )}
              </tr>
            </thead>
            <tbody>
              {rules.nodes.map((rule) => (
                <tr key={rule.id}>
                  <th scope="row">
                    {componentNames[rule.component]}{' '}
                    {rule.kind ? (
                      <span className={admin.tag}>{rule.kind}</span>
                    ) : (
                      <span className="muted">of any kind</span>
                    )}
                  </th>
                  <td className={`${admin.end} number`}>
                    {usd(rule.valueUsd)} <span className="muted">{rule.unit === 'GB' ? 'per GB' : 'each'}</span>
                  </td>
                  <td className={`${admin.wrap} number`}>
                    {rule.conditionMultipliers.length === 0 && <span className="muted">the same for all</span>}
                    {rule.conditionMultipliers
                      .map(({ condition, multiplier }) => `${conditionNames[condition]} × ${multiplier}`)
                      .join(', ')}
                  </td>
                  <td className="number" title={exactly(rule.validFrom)}>
                    {Date.parse(rule.validFrom) > now ? (
                      <span className={admin.warn}>from {dayOf(rule.validFrom)}</span>
                    ) : (
                      `since ${since(rule.validFrom)}`.replace('since just', 'just')
                    )}
                  </td>
                  {isAdmin && (
                    <td className={styles.rowActions}>
                      <Edit rule={rule} onSaved={setJob} />
                      <Delete rule={rule} onDeleted={setJob} />
                    </td>
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {rules && <Pages info={rules.pageInfo} total={rules.totalCount} what="rules" order={['Before', 'After']} />}
    </section>
  );
}

const day = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium' });
const dayOf = (iso: string): string => day.format(Date.parse(iso));

type Saved = (job: JobFieldsFragment | undefined) => void;

function Edit({ rule, onSaved }: { rule?: RuleFieldsFragment; onSaved: Saved }) {
  const [open, setOpen] = useState(false);
  return (
    <Dialog.Root open={open} onOpenChange={setOpen}>
      {rule ? (
        <Dialog.Trigger render={<Button size="small" />} aria-label={`Change ${nameOf(rule)}`}>
          Change
        </Dialog.Trigger>
      ) : (
        <Dialog.Trigger render={<Button kind="solid" />}>Add a rule</Dialog.Trigger>
      )}
      <Dialog.Portal>
        <Dialog.Backdrop className={popups.backdrop} />
        <Dialog.Popup className={dialogs.dialog}>
          <div className={dialogs.head}>
            <Dialog.Title>{rule ? 'Change a rule' : 'A new rule'}</Dialog.Title>
            <Dialog.Close render={<IconButton label="Close" icon="close" />} />
          </div>
          <RuleForm
            rule={rule}
            onSaved={(job) => {
              onSaved(job);
              setOpen(false);
            }}
            cancel={<Dialog.Close render={<Button />}>Cancel</Dialog.Close>}
          />
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function Delete({ rule, onDeleted }: { rule: RuleFieldsFragment; onDeleted: Saved }) {
  const { refresh } = useSession();
  const [open, setOpen] = useState(false);
  const [{ error, fetching }, remove] = useMutation(DeleteRuleDocument);
  const run = async () => {
    if (fetching) return;
    const { data } = await remove({ id: rule.id });
    if (!data) return;
    setOpen(false);
    onDeleted(data.deleteValuationRule.job ?? undefined);
    refresh();
  };
  return (
    <AlertDialog.Root open={open} onOpenChange={setOpen}>
      <AlertDialog.Trigger render={<Button size="small" />} aria-label={`Delete ${nameOf(rule)}`}>
        Delete
      </AlertDialog.Trigger>
      <AlertDialog.Portal>
        <AlertDialog.Backdrop className={popups.backdrop} />
        <AlertDialog.Popup className={`${dialogs.dialog} ${dialogs.small}`}>
          <div className={dialogs.body}>
            <AlertDialog.Title>Delete this rule?</AlertDialog.Title>
            <AlertDialog.Description className="muted">
              {nameOf(rule)} is then no longer taken off by it, and the offers concerned are valued anew. This cannot be
              taken back.
            </AlertDialog.Description>
            <Fault error={error} title="Not deleted." />
            <div className={`${admin.actions} ${admin.actionsEnd}`}>
              <AlertDialog.Close render={<Button />}>Keep it</AlertDialog.Close>
              <Button kind="danger" aria-disabled={fetching} onClick={run}>
                Delete
              </Button>
            </div>
          </div>
        </AlertDialog.Popup>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}
