// Page of the valuation rules for components sold together with a CPU. Operators see the rules, admins change them.
import { AlertDialog } from '@base-ui/react/alert-dialog';
import { Dialog } from '@base-ui/react/dialog';
import { useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { useMutation, useQuery } from 'urql';
import { formatAge, formatUsd, formatInteger } from '../lib/format';
import { DeleteRuleDocument, type JobFieldsFragment, type RuleFieldsFragment, RulesDocument } from '../gql/graphql';
import { Button, IconButton } from '../ui/Button';
import { LoadError, EmptyState } from '../ui/State';
import { JobProgress } from './JobProgress';
import {
  AdminsOnlyNote,
  formatExactTime,
  ErrorMessage,
  LoadingPanel,
  pageVariables,
  Pagination,
  cursorOf,
} from './components';
import { RuleForm } from './RuleForm';
import { componentLabels, conditionLabels, ruleLabel } from './rules';
import { useSession } from './session';
import admin from './components.module.css';
import panels from '../ui/Panel.module.css';
import popups from '../ui/popup.module.css';
import dialogs from './dialog.module.css';
import styles from './RulesPage.module.css';

export function RulesPage() {
  const { isAdmin } = useSession();
  const search = useSearch({ from: '/admin/rules' });
  const [{ data, error, fetching }, refetch] = useQuery({
    query: RulesDocument,
    variables: pageVariables(cursorOf(search)),
  });
  const [job, setJob] = useState<JobFieldsFragment>();
  const rules = data?.valuationRules;
  const [now] = useState(Date.now);
  return (
    <section aria-labelledby="rules" className={admin.section}>
      <div className={admin.sectionHead}>
        <h2 id="rules">Valuation rules</h2>
        <p role="status" className="muted number">
          {rules && `${formatInteger(rules.totalCount)} ${rules.totalCount === 1 ? 'rule' : 'rules'}`}
        </p>
        <div className={admin.sectionTools}>{isAdmin && <EditRuleButton onSaved={setJob} />}</div>
      </div>
      <p className="muted">
        These rules subtract the value of other components from the price of a listing. A change revalues the affected
        listings.
      </p>
      {!isAdmin && <AdminsOnlyNote />}
      {job && (
        <div className={`${panels.panel} ${admin.block}`}>
          <JobProgress key={job.id} job={job} title="Revaluation of listings" />
        </div>
      )}
      {!rules && fetching && <LoadingPanel label="Loading rules" />}
      {!rules && !fetching && <LoadError error={error} onRetry={() => refetch({ requestPolicy: 'network-only' })} />}
      {rules?.nodes.length === 0 && (
        <EmptyState icon="list" title="There are no rules">
          Without rules, the value of memory, drives, graphics cards and operating systems is not subtracted.
        </EmptyState>
      )}
      {rules && rules.nodes.length > 0 && (
        <div className={`${admin.tableScroll} ${panels.panel}`} tabIndex={0} role="region" aria-label="Table of rules">
          <table className={admin.table}>
            <thead>
              <tr>
                <th scope="col">Component</th>
                <th scope="col" className={admin.end}>
                  Value
                </th>
                <th scope="col">By condition</th>
                <th scope="col">Valid</th>
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
                    {componentLabels[rule.component]}{' '}
                    {rule.kind ? (
                      <span className={admin.tag}>{rule.kind}</span>
                    ) : (
                      <span className="muted">of any kind</span>
                    )}
                  </th>
                  <td className={`${admin.end} number`}>
                    {formatUsd(rule.valueUsd)} <span className="muted">{rule.unit === 'GB' ? 'per GB' : 'each'}</span>
                  </td>
                  <td className={`${admin.wrap} number`}>
                    {rule.conditionMultipliers.length === 0 && <span className="muted">the same for all</span>}
                    {rule.conditionMultipliers
                      .map(({ condition, multiplier }) => `${conditionLabels[condition]} × ${multiplier}`)
                      .join(', ')}
                  </td>
                  <td className="number" title={formatExactTime(rule.validFrom)}>
                    {Date.parse(rule.validFrom) > now ? (
                      <span className={admin.warn}>from {formatRuleDay(rule.validFrom)}</span>
                    ) : (
                      `since ${formatAge(rule.validFrom)}`.replace('since just', 'just')
                    )}
                  </td>
                  {isAdmin && (
                    <td className={styles.rowActions}>
                      <EditRuleButton rule={rule} onSaved={setJob} />
                      <DeleteRuleButton rule={rule} onDeleted={setJob} />
                    </td>
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {rules && (
        <Pagination info={rules.pageInfo} total={rules.totalCount} itemName="rules" linkLabels={['Previous', 'Next']} />
      )}
    </section>
  );
}

const dayFormat = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium' });
const formatRuleDay = (iso: string): string => dayFormat.format(Date.parse(iso));

type OnSaved = (job: JobFieldsFragment | undefined) => void;

function EditRuleButton({ rule, onSaved }: { rule?: RuleFieldsFragment; onSaved: OnSaved }) {
  const [open, setOpen] = useState(false);
  return (
    <Dialog.Root open={open} onOpenChange={setOpen}>
      {rule ? (
        <Dialog.Trigger render={<Button size="small" />} aria-label={`Change ${ruleLabel(rule)}`}>
          Change
        </Dialog.Trigger>
      ) : (
        <Dialog.Trigger render={<Button kind="solid" />}>Add a rule</Dialog.Trigger>
      )}
      <Dialog.Portal>
        <Dialog.Backdrop className={popups.backdrop} />
        <Dialog.Popup className={dialogs.dialog}>
          <div className={dialogs.head}>
            <Dialog.Title>{rule ? 'Change a rule' : 'New rule'}</Dialog.Title>
            <Dialog.Close render={<IconButton label="Close" icon="close" />} />
          </div>
          <RuleForm
            rule={rule}
            onSaved={(job) => {
              onSaved(job);
              setOpen(false);
            }}
            cancelButton={<Dialog.Close render={<Button />}>Cancel</Dialog.Close>}
          />
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function DeleteRuleButton({ rule, onDeleted }: { rule: RuleFieldsFragment; onDeleted: OnSaved }) {
  const { refresh } = useSession();
  const [open, setOpen] = useState(false);
  const [{ error, fetching }, deleteRule] = useMutation(DeleteRuleDocument);
  const confirmDelete = async () => {
    if (fetching) return;
    const { data } = await deleteRule({ id: rule.id });
    if (!data) return;
    setOpen(false);
    onDeleted(data.deleteValuationRule.job ?? undefined);
    refresh();
  };
  return (
    <AlertDialog.Root open={open} onOpenChange={setOpen}>
      <AlertDialog.Trigger render={<Button size="small" />} aria-label={`Delete ${ruleLabel(rule)}`}>
        Delete
      </AlertDialog.Trigger>
      <AlertDialog.Portal>
        <AlertDialog.Backdrop className={popups.backdrop} />
        <AlertDialog.Popup className={`${dialogs.dialog} ${dialogs.small}`}>
          <div className={dialogs.body}>
            <AlertDialog.Title>Delete this rule?</AlertDialog.Title>
            <AlertDialog.Description className="muted">
              {ruleLabel(rule)} no longer applies, and the affected listings are revalued. This cannot be undone.
            </AlertDialog.Description>
            <ErrorMessage error={error} title="Not deleted." />
            <div className={`${admin.actions} ${admin.actionsEnd}`}>
              <AlertDialog.Close render={<Button />}>Cancel</AlertDialog.Close>
              <Button kind="danger" aria-disabled={fetching} onClick={confirmDelete}>
                Delete
              </Button>
            </div>
          </div>
        </AlertDialog.Popup>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}
