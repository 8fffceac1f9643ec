import { type ReactNode, useState } from 'react';
import { ratings, ratingWords } from '../cpu/ratings';
import type { FilterOptionsQuery } from '../gql/graphql';
import { Button } from '../ui/Button';
import { rangeLabels, without } from './FilterChips';
import { RangeField } from './RangeField';
import { type Change, conditions, type ListName, type RangeName, unfiltered, type View } from './viewState';
import forms from '../ui/forms.module.css';
import styles from './Filters.module.css';

export type Choices = FilterOptionsQuery['statistics'] | undefined;
type Props = { view: View; change: Change; choices: Choices };

/** Everything the list can be narrowed by: beside the list on wide screens, in a sheet on narrow ones. */
export function Filters({ view, change, choices, inSheet = false }: Props & { inSheet?: boolean }) {
  return (
    <div className={inSheet ? undefined : styles.filters}>
      {!inSheet && (
        <div className={styles.head}>
          <h2>Filters</h2>
          <Clear view={view} change={change} />
        </div>
      )}
      <Check
        label="Only with listings"
        checked={view.withListings}
        onChange={(checked) => change({ withListings: checked })}
      />
      <Group title="Value" open>
        {ratings.map((value) => (
          <ListCheck
            key={value}
            name="rating"
            value={value}
            label={ratingWords[value]}
            hint={value === 'EXCELLENT' ? 'best quarter' : undefined}
            view={view}
            change={change}
          />
        ))}
      </Group>
      <Group title="Price, USD" open>
        <Bounds name="price" view={view} change={change} />
      </Group>
      <Group title="Maker" open>
        {choices?.manufacturers
          .filter((maker) => maker === 'Intel' || maker === 'AMD' || view.maker?.includes(maker))
          .map((maker) => (
            <ListCheck key={maker} name="maker" value={maker} view={view} change={change} />
          ))}
        <Search name="maker" what="maker" values={choices?.manufacturers ?? []} view={view} change={change} />
      </Group>
      <Group title="Socket" open={view.socket !== undefined}>
        <Search name="socket" what="socket" values={choices?.sockets ?? []} view={view} change={change} />
      </Group>
      <Group title="Performance" open>
        <Bounds name="multi" ends={choices?.cpuMarkMulti} curved view={view} change={change} />
        <Bounds name="single" ends={choices?.cpuMarkSingle} curved view={view} change={change} />
      </Group>
      <Group title="Build" open>
        <Bounds name="cores" ends={choices?.cores} curved view={view} change={change} />
        <Bounds name="tdp" ends={choices?.tdpW} curved view={view} change={change} />
        <Bounds name="year" ends={choices?.releaseYear} view={view} change={change} />
      </Group>
      <Group title="Graphics" open={view.graphics !== undefined || view.igpu !== undefined}>
        <div className={forms.choices} role="radiogroup" aria-label="Integrated graphics">
          {[
            { label: 'Either', value: undefined },
            { label: 'With', value: true },
            { label: 'Without', value: false },
          ].map(({ label, value }) => (
            <label key={label} className={forms.check}>
              <input
                type="radio"
                name="graphics"
                checked={view.graphics === value}
                onChange={() => change({ graphics: value })}
              />
              {label}
            </label>
          ))}
        </div>
        <Bounds name="igpu" view={view} change={change} />
      </Group>
    </div>
  );
}

export function Clear({ view, change }: Omit<Props, 'choices'>) {
  if (conditions(view) === 0) return null;
  return (
    <Button kind="quiet" size="small" onClick={() => change({ ...unfiltered(view), search: view.search })}>
      Clear
    </Button>
  );
}

function Group({ title, open = false, children }: { title: string; open?: boolean; children: ReactNode }) {
  return (
    <details className={styles.group} open={open}>
      <summary>{title}</summary>
      <div className={styles.groupBody}>{children}</div>
    </details>
  );
}

function Check({
  label,
  hint,
  checked,
  onChange,
}: {
  label: string;
  hint?: string | undefined;
  checked: boolean;
  onChange: (checked: boolean) => void;
}) {
  return (
    <label className={forms.check}>
      <input type="checkbox" checked={checked} onChange={(event) => onChange(event.target.checked)} />
      {label}
      {hint && <span className={forms.checkHint}>{hint}</span>}
    </label>
  );
}

function ListCheck({
  name,
  value,
  label = value,
  hint,
  view,
  change,
}: {
  name: ListName;
  value: string;
  label?: string;
  hint?: string | undefined;
  view: View;
  change: Change;
}) {
  const there = view[name] ?? [];
  return (
    <Check
      label={label}
      hint={hint}
      checked={there.includes(value)}
      onChange={(checked) => change({ [name]: checked ? [...there, value] : without(there, value) })}
    />
  );
}

const FEW = 6;

/** Of many values: those that were chosen, and a field that finds the others. */
function Search({
  name,
  what,
  values,
  view,
  change,
}: { name: ListName; what: string; values: readonly string[] } & Omit<Props, 'choices'>) {
  const [typed, setTyped] = useState('');
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const there = name === 'socket' ? (view[name] ?? []) : [];
  const found =
    words.length === 0
      ? []
      : values.filter((value) => !there.includes(value) && words.every((word) => value.toLowerCase().includes(word)));
  return (
    <>
      {there.map((value) => (
        <ListCheck key={value} name={name} value={value} view={view} change={change} />
      ))}
      <input
        className={`${forms.input} ${forms.inputSmall}`}
        type="search"
        aria-label={`Find a ${what}`}
        placeholder={`Find one of ${values.length}`}
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
      />
      {found.slice(0, FEW).map((value) => (
        <ListCheck key={value} name={name} value={value} view={view} change={change} />
      ))}
      {found.length > FEW && <p className="muted">{found.length - FEW} more</p>}
      {words.length > 0 && found.length === 0 && <p className="muted">No {what} is called that.</p>}
    </>
  );
}

function Bounds({
  name,
  ends,
  curved = false,
  view,
  change,
}: {
  name: RangeName;
  ends?: { min: number | null; max: number | null } | undefined;
  curved?: boolean;
  view: View;
  change: Change;
}) {
  const { label, unit } = rangeLabels[name];
  return (
    <RangeField
      label={label}
      titled={name === 'price'}
      unit={unit}
      decimal={name === 'price'}
      ends={known(ends)}
      curved={curved}
      value={view[name]}
      onChange={(range) => change({ [name]: range }, { replace: true })}
    />
  );
}

/** Both are null in an empty catalogue. */
function known(ends: { min: number | null; max: number | null } | undefined) {
  const { min = null, max = null } = ends ?? {};
  return min === null || max === null ? undefined : { min, max };
}
