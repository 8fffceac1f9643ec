import { type FormEvent, type ReactNode, useState } from 'react';
import { useMutation } from 'urql';
import {
  ChangeRuleDocument,
  type Component,
  type Condition,
  CreateRuleDocument,
  type JobFieldsFragment,
  type RuleFieldsFragment,
  type RuleUnit,
} from '../gql/graphql';
import { Button } from '../ui/Button';
import { ErrorMessage } from './components';
import { componentLabels, conditionLabels, parseDecimal, hasCapacity, toDateTimeInput } from './rules';
import { useSession } from './session';
import dialogs from './dialog.module.css';
import admin from './components.module.css';
import forms from '../ui/forms.module.css';
import styles from './RuleForm.module.css';

const components = Object.keys(componentLabels) as Component[];
// Listings for parts have no adjusted price, so a factor for them would have no effect.
const conditions = (Object.keys(conditionLabels) as Condition[]).filter((condition) => condition !== 'FOR_PARTS');

export function RuleForm({
  rule,
  onSaved,
  cancelButton,
}: {
  rule: RuleFieldsFragment | undefined;
  onSaved: (job: JobFieldsFragment | undefined) => void;
  cancelButton: ReactNode;
}) {
  const { refresh } = useSession();
  const [component, setComponent] = useState<Component>(rule?.component ?? 'MEMORY');
  const [kind, setKind] = useState(rule?.kind ?? '');
  const [unit, setUnit] = useState<RuleUnit>(rule?.unit ?? 'GB');
  const [value, setValue] = useState(rule ? String(rule.valueUsd) : '');
  const [factors, setFactors] = useState<Partial<Record<Condition, string>>>(
    Object.fromEntries(
      (rule?.conditionMultipliers ?? []).map(({ condition, multiplier }) => [condition, String(multiplier)]),
    ),
  );
  const [validFrom, setValidFrom] = useState(rule ? toDateTimeInput(rule.validFrom) : '');
  const [validationError, setValidationError] = useState<string>();
  const [{ error: createError, fetching: creating }, create] = useMutation(CreateRuleDocument);
  const [{ error: updateError, fetching: updating }, update] = useMutation(ChangeRuleDocument);
  const busy = creating || updating;

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (busy) return;
    const valueUsd = parseDecimal(value);
    const filledFactors = Object.entries(factors).filter(([, factor]) => factor.trim() !== '');
    const multipliers = filledFactors.map(([condition, factor]) => ({
      condition: condition as Condition,
      multiplier: parseDecimal(factor),
    }));
    const invalidMultiplier = multipliers.find(({ multiplier }) => multiplier === undefined);
    const problem =
      valueUsd === undefined
        ? 'The value must be a number of dollars, such as 2.50.'
        : invalidMultiplier &&
          `The factor for “${conditionLabels[invalidMultiplier.condition]}” must be a number, such as 0.8.`;
    setValidationError(problem || undefined);
    if (problem || valueUsd === undefined) return;
    const ruleInput = {
      component,
      unit: hasCapacity(component) ? unit : ('ITEM' as const),
      valueUsd,
      kind: kind.trim() || null,
      conditionMultipliers: multipliers.map(({ condition, multiplier }) => ({
        condition,
        multiplier: multiplier ?? 1,
      })),
      // The field has no seconds. If it was not edited, the exact time is kept.
      validFrom:
        rule && validFrom === toDateTimeInput(rule.validFrom)
          ? rule.validFrom
          : validFrom
            ? new Date(validFrom).toISOString()
            : null,
    };
    const payload = rule
      ? (await update({ id: rule.id, changes: ruleInput })).data?.updateValuationRule
      : (await create({ rule: ruleInput })).data?.createValuationRule;
    if (!payload) return;
    refresh();
    onSaved(payload.job ?? undefined);
  };

  return (
    <form className={dialogs.body} onSubmit={submit} noValidate>
      <div className={admin.fields}>
        <label className={admin.field}>
          <span className={admin.fieldLabel}>Component</span>
          <select
            className={forms.input}
            value={component}
            onChange={(event) => setComponent(event.target.value as Component)}
          >
            {components.map((option) => (
              <option key={option} value={option}>
                {componentLabels[option]}
              </option>
            ))}
          </select>
        </label>
        <label className={admin.field}>
          <span className={admin.fieldLabel}>Kind (empty: any)</span>
          <input
            className={forms.input}
            autoComplete="off"
            placeholder="DDR4, NVMe, RTX 3060"
            value={kind}
            onChange={(event) => setKind(event.target.value)}
          />
        </label>
      </div>
      <div className={admin.fields}>
        <label className={admin.field}>
          <span className={admin.fieldLabel}>Value, $</span>
          <input
            className={`${forms.input} number`}
            inputMode="decimal"
            autoComplete="off"
            value={value}
            onChange={(event) => setValue(event.target.value)}
          />
        </label>
        <label className={admin.field}>
          <span className={admin.fieldLabel}>Unit</span>
          <select
            className={forms.input}
            disabled={!hasCapacity(component)}
            value={hasCapacity(component) ? unit : 'ITEM'}
            onChange={(event) => setUnit(event.target.value as RuleUnit)}
          >
            <option value="GB">per GB</option>
            <option value="ITEM">each</option>
          </select>
        </label>
      </div>
      <fieldset>
        <legend className={admin.fieldLabel}>Factor by condition (empty: 1)</legend>
        <div className={styles.factors}>
          {conditions.map((condition) => (
            <label key={condition} className={admin.field}>
              <span className="muted">{conditionLabels[condition]}</span>
              <input
                className={`${forms.input} number`}
                inputMode="decimal"
                autoComplete="off"
                placeholder="1"
                value={factors[condition] ?? ''}
                onChange={(event) => setFactors({ ...factors, [condition]: event.target.value })}
              />
            </label>
          ))}
        </div>
      </fieldset>
      <label className={admin.field}>
        <span className={admin.fieldLabel}>Valid from (empty: now)</span>
        <input
          className={`${forms.input} number`}
          type="datetime-local"
          value={validFrom}
          onChange={(event) => setValidFrom(event.target.value)}
        />
      </label>
      <ErrorMessage error={validationError ?? createError ?? updateError} title="Not saved." />
      <div className={`${admin.actions} ${admin.actionsEnd}`}>
        {cancelButton}
        <Button type="submit" kind="solid" aria-disabled={busy}>
          {rule ? 'Save' : 'Add'}
        </Button>
      </div>
    </form>
  );
}
