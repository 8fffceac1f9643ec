import { type ReactNode, useState } from 'react';
import { ratings, ratingLabels } from '../cpu/ratings';
import type { FilterOptionsQuery } from '../gql/graphql';
import { Button } from '../ui/Button';
import { rangeLabels, withoutValue } from './FilterChips';
import { RangeField } from './RangeField';
import {
  type ChangeView,
  countFilters,
  type ListName,
  type RangeName,
  withoutFilters,
  type CatalogueView,
} from './viewState';
import forms from '../ui/forms.module.css';
import styles from './Filters.module.css';

export type FilterOptions = FilterOptionsQuery['statistics'] | undefined;
type Props = { view: CatalogueView; change: ChangeView; options: FilterOptions };

/** All filters: next to the list on wide screens, in a sheet on narrow ones. */
export function Filters({ view, change, options, inSheet = false }: Props & { inSheet?: boolean }) {
  return (
    <div className={inSheet ? undefined : styles.filters}>
      {!inSheet && (
        <div className={styles.head}>
          <h2>Filters</h2>
          <ClearFilters view={view} change={change} />
        </div>
      )}
      <Checkbox
        label="Only with listings"
        checked={view.withListings}
        onChange={(checked) => change({ withListings: checked })}
      />
      <FilterGroup title="Value" open>
        {ratings.map((value) => (
          <ValueCheckbox
            key={value}
            name="rating"
            value={value}
            label={ratingLabels[value]}
            hint={value === 'EXCELLENT' ? 'best quarter' : undefined}
            view={view}
            change={change}
          />
        ))}
      </FilterGroup>
      <FilterGroup title="Price, USD" open>
        <RangeFilter name="price" view={view} change={change} />
      </FilterGroup>
      <FilterGroup title="Maker" open>
        {options?.manufacturers
          .filter((name) => name === 'Intel' || name === 'AMD' || view.maker?.includes(name))
          .map((name) => (
            <ValueCheckbox key={name} name="maker" value={name} view={view} change={change} />
          ))}
        <ValueSearch name="maker" itemName="maker" values={options?.manufacturers ?? []} view={view} change={change} />
      </FilterGroup>
      <FilterGroup title="Socket" open={view.socket !== undefined}>
        <ValueSearch name="socket" itemName="socket" values={options?.sockets ?? []} view={view} change={change} />
      </FilterGroup>
      <FilterGroup title="Performance" open>
        <RangeFilter name="multi" bounds={options?.cpuMarkMulti} nonLinear view={view} change={change} />
        <RangeFilter name="single" bounds={options?.cpuMarkSingle} nonLinear view={view} change={change} />
      </FilterGroup>
      <FilterGroup title="Build" open>
        <RangeFilter name="cores" bounds={options?.cores} nonLinear view={view} change={change} />
        <RangeFilter name="tdp" bounds={options?.tdpW} nonLinear view={view} change={change} />
        <RangeFilter name="year" bounds={options?.releaseYear} view={view} change={change} />
      </FilterGroup>
      <FilterGroup title="Graphics" open={view.graphics !== undefined || view.igpu !== undefined}>
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
        <RangeFilter name="igpu" view={view} change={change} />
      </FilterGroup>
    </div>
  );
}

export function ClearFilters({ view, change }: Omit<Props, 'options'>) {
  if (countFilters(view) === 0) return null;
  return (
    <Button kind="quiet" size="small" onClick={() => change({ ...withoutFilters(view), search: view.search })}>
      Clear
    </Button>
  );
}

function FilterGroup({ title, open = false, children }: { title: string; open?: boolean; children: ReactNode }) {
  return (
    <details className={styles.group} open={open}>
      <summary>{title}</summary>
      <div className={styles.groupBody}>{children}</div>
    </details>
  );
}

function Checkbox({
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

function ValueCheckbox({
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
  view: CatalogueView;
  change: ChangeView;
}) {
  const selected = view[name] ?? [];
  return (
    <Checkbox
      label={label}
      hint={hint}
      checked={selected.includes(value)}
      onChange={(checked) => change({ [name]: checked ? [...selected, value] : withoutValue(selected, value) })}
    />
  );
}

const MAX_MATCHES = 6;

/** Selected values of a long list, and a field that finds the others. */
function ValueSearch({
  name,
  itemName,
  values,
  view,
  change,
}: { name: ListName; itemName: string; values: readonly string[] } & Omit<Props, 'options'>) {
  const [searchText, setSearchText] = useState('');
  const words = searchText.toLowerCase().split(/\s+/).filter(Boolean);
  const selected = name === 'socket' ? (view[name] ?? []) : [];
  const matches =
    words.length === 0
      ? []
      : values.filter(
          (value) => !selected.includes(value) && words.every((word) => value.toLowerCase().includes(word)),
        );
  return (
    <>
      {selected.map((value) => (
        <ValueCheckbox key={value} name={name} value={value} view={view} change={change} />
      ))}
      <input
        className={`${forms.input} ${forms.inputSmall}`}
        type="search"
        aria-label={`Find a ${itemName}`}
        placeholder={`Find one of ${values.length}`}
        value={searchText}
        onChange={(event) => setSearchText(event.target.value)}
      />
      {matches.slice(0, MAX_MATCHES).map((value) => (
        <ValueCheckbox key={value} name={name} value={value} view={view} change={change} />
      ))}
      {matches.length > MAX_MATCHES && <p className="muted">{matches.length - MAX_MATCHES} more</p>}
      {words.length > 0 && matches.length === 0 && <p className="muted">No {itemName} matches.</p>}
    </>
  );
}

function RangeFilter({
  name,
  bounds,
  nonLinear = false,
  view,
  change,
}: {
  name: RangeName;
  bounds?: { min: number | null; max: number | null } | undefined;
  nonLinear?: boolean;
  view: CatalogueView;
  change: ChangeView;
}) {
  const { label, unit } = rangeLabels[name];
  return (
    <RangeField
      label={label}
      labelHidden={name === 'price'}
      unit={unit}
      decimal={name === 'price'}
      bounds={completeBounds(bounds)}
      nonLinear={nonLinear}
      value={view[name]}
      onChange={(range) => change({ [name]: range }, { replace: true })}
    />
  );
}

/** Return both limits, or undefined: they are null in an empty catalogue. */
function completeBounds(bounds: { min: number | null; max: number | null } | undefined) {
  const { min = null, max = null } = bounds ?? {};
  return min === null || max === null ? undefined : { min, max };
}
