import { Icon } from '../ui/Icon';
import {
  type Change,
  conditions,
  type ListName,
  lists,
  type Range,
  type RangeName,
  ranges,
  unfiltered,
  type View,
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

/** What the list is narrowed to, each with a button that takes it away. */
export function Chips({ view, change }: { view: View; change: Change }) {
  if (conditions(view) === 0) return null;
  return (
    <ul className={styles.chips} aria-label="Conditions">
      {view.withListings && <Chip text="With listings" remove={() => change({ withListings: false })} />}
      {view.graphics !== undefined && (
        <Chip
          text={view.graphics ? 'With graphics' : 'Without graphics'}
          remove={() => change({ graphics: undefined })}
        />
      )}
      {(Object.keys(lists) as ListName[]).flatMap((name) =>
        (view[name] ?? []).map((value) => (
          <Chip
            key={`${name} ${value}`}
            text={inWords(value)}
            remove={() => change({ [name]: without(view[name], value) })}
          />
        )),
      )}
      {(Object.keys(ranges) as RangeName[]).map((name) => {
        const range = view[name];
        return range && <Chip key={name} text={told(name, range)} remove={() => change({ [name]: undefined })} />;
      })}
      <li>
        <button
          type="button"
          className={styles.clearAll}
          onClick={() => change({ ...unfiltered(view), search: view.search })}
        >
          Clear all
        </button>
      </li>
    </ul>
  );
}

function Chip({ text, remove }: { text: string; remove: () => void }) {
  return (
    <li>
      <button type="button" className={styles.chip} onClick={remove} aria-label={`Remove ${text}`}>
        {text}
        <Icon name="close" size={12} />
      </button>
    </li>
  );
}

/** EXCELLENT is told as Excellent; names stay as they are. */
const inWords = (value: string) => (/^[A-Z]{4,}$/.test(value) ? value.charAt(0) + value.slice(1).toLowerCase() : value);

function told(name: RangeName, { min, max }: Range): string {
  const { label, unit = '' } = rangeLabels[name];
  if (min !== undefined && max !== undefined) return `${label} ${min}–${max}${unit}`;
  return min === undefined ? `${label} up to ${max}${unit}` : `${label} from ${min}${unit}`;
}

export function without(values: string[] | undefined, value: string): string[] | undefined {
  const rest = (values ?? []).filter((each) => each !== value);
  return rest.length > 0 ? rest : undefined;
}
