import { Icon } from '../ui/Icon';
import {
  type ChangeView,
  countFilters,
  type ListName,
  listFields,
  type Range,
  type RangeName,
  rangeFields,
  withoutFilters,
  type CatalogueView,
} from './viewState';
import styles from './FilterChips.module.css';

export const rangeLabels: Record<RangeName, { label: string; unit?: string }> = {
  cores: { label: 'Cores' },
  tdp: { label: 'TDP', unit: ' W' },
  year: { label: 'Year' },
  multi: { label: 'Multi-thread mark' },
  single: { label: 'Single-thread mark' },
  igpu: { label: 'Graphics mark' },
  price: { label: 'Price', unit: ' USD' },
};

/** Active filters, each with a button that removes it. */
export function FilterChips({ view, change }: { view: CatalogueView; change: ChangeView }) {
  if (countFilters(view) === 0) return null;
  return (
    <ul className={styles.chips} aria-label="Active filters">
      {view.withListings && <Chip text="With listings" onRemove={() => change({ withListings: false })} />}
      {view.graphics !== undefined && (
        <Chip
          text={view.graphics ? 'With graphics' : 'Without graphics'}
          onRemove={() => change({ graphics: undefined })}
        />
      )}
      {(Object.keys(listFields) as ListName[]).flatMap((name) =>
        (view[name] ?? []).map((value) => (
          <Chip
            key={`${name} ${value}`}
            text={valueLabel(value)}
            onRemove={() => change({ [name]: withoutValue(view[name], value) })}
          />
        )),
      )}
      {(Object.keys(rangeFields) as RangeName[]).map((name) => {
        const range = view[name];
        return (
          range && <Chip key={name} text={rangeText(name, range)} onRemove={() => change({ [name]: undefined })} />
        );
      })}
      <li>
        <button
          type="button"
          className={styles.clearAll}
          onClick={() => change({ ...withoutFilters(view), search: view.search })}
        >
          Clear all
        </button>
      </li>
    </ul>
  );
}

function Chip({ text, onRemove }: { text: string; onRemove: () => void }) {
  return (
    <li>
      <button type="button" className={styles.chip} onClick={onRemove} aria-label={`Remove ${text}`}>
        {text}
        <Icon name="close" size={12} />
      </button>
    </li>
  );
}

/** Show the enum value EXCELLENT as Excellent; other values are names. */
const valueLabel = (value: string) =>
  /^[A-Z]{4,}$/.test(value) ? value.charAt(0) + value.slice(1).toLowerCase() : value;

function rangeText(name: RangeName, { min, max }: Range): string {
  const { label, unit = '' } = rangeLabels[name];
  if (min !== undefined && max !== undefined) return `${label} ${min}–${max}${unit}`;
  return min === undefined ? `${label} up to ${max}${unit}` : `${label} from ${min}${unit}`;
}

export function withoutValue(values: string[] | undefined, value: string): string[] | undefined {
  const rest = (values ?? []).filter((item) => item !== value);
  return rest.length > 0 ? rest : undefined;
}
