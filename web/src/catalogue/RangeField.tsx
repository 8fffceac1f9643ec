import { Slider } from '@base-ui/react/slider';
import { useEffect, useState } from 'react';
import { readable } from './numberInput';
import { isReversed, type Range } from './viewState';
import forms from '../ui/forms.module.css';
import styles from './RangeField.module.css';

const STEPS = 200;
const PAUSE = 120; // ms after a move or key

interface Props {
  label: string;
  /** The label is there already, as the title of the group. */
  titled?: boolean;
  unit?: string | undefined;
  /** Cents count. */
  decimal?: boolean;
  /** The ends of the slider; without them there are only the two fields. */
  ends?: { min: number; max: number } | undefined;
  /** Low values get more of the slider: most of the catalogue is there. */
  curved?: boolean;
  value: Range | undefined;
  onChange: (range: Range | undefined) => void;
}

/** From and to: two fields, and a slider where both ends are known. */
export function RangeField({
  label,
  titled = false,
  unit = '',
  decimal = false,
  ends,
  curved = false,
  value,
  onChange,
}: Props) {
  const [draft, setDraft] = useState(value);
  const [seen, setSeen] = useState(value);
  const [told, setTold] = useState(value);
  // Only another value is news: the same one comes in a new object with each address, and what was told from here a
  // moment after.
  if (!same(seen, value)) {
    setSeen(value);
    if (!same(told, value)) {
      setTold(value);
      setDraft(value);
    }
  }
  const reversed = draft !== undefined && isReversed(draft);
  useEffect(() => {
    // On the way to "from 20 to 100" stands "from 20 to 1": nobody asks for that.
    if (same(draft, value) || reversed) return;
    const timer = setTimeout(() => {
      setTold(draft);
      onChange(draft);
    }, PAUSE);
    return () => clearTimeout(timer);
  }, [draft, value, reversed, onChange]);

  const set = (range: Range) => setDraft(range.min === undefined && range.max === undefined ? undefined : range);
  return (
    <fieldset className={styles.range}>
      <legend className={titled ? 'visually-hidden' : undefined}>{label}</legend>
      {ends && ends.max > ends.min && (
        <RangeSlider label={label} unit={unit} ends={ends} curved={curved} draft={draft} set={set} />
      )}
      <div className={styles.bounds}>
        <Bound
          label={`${label} from`}
          hint={ends?.min}
          decimal={decimal}
          wrong={reversed}
          value={draft?.min}
          onChange={(min) => set({ ...draft, min })}
        />
        <span className="muted" aria-hidden="true">
          to
        </span>
        <Bound
          label={`${label} to`}
          hint={ends?.max}
          decimal={decimal}
          wrong={reversed}
          value={draft?.max}
          onChange={(max) => set({ ...draft, max })}
        />
      </div>
      <p role="alert" className={styles.error}>
        {reversed && 'Nothing is both: the first is above the second.'}
      </p>
    </fieldset>
  );
}

function RangeSlider({
  label,
  unit,
  ends,
  curved,
  draft,
  set,
}: Required<Pick<Props, 'label' | 'curved'>> & {
  unit: string;
  ends: { min: number; max: number };
  draft: Range | undefined;
  set: (range: Range) => void;
}) {
  const power = curved ? 2.2 : 1;
  const toValue = (step: number) => Math.round(ends.min + (ends.max - ends.min) * (step / STEPS) ** power);
  const toStep = (value: number) => {
    const share = Math.min(1, Math.max(0, (value - ends.min) / (ends.max - ends.min)));
    return Math.round(share ** (1 / power) * STEPS);
  };
  return (
    <Slider.Root
      className={undefined}
      min={0}
      max={STEPS}
      largeStep={STEPS / 10}
      thumbAlignment="edge"
      value={[toStep(draft?.min ?? ends.min), toStep(draft?.max ?? ends.max)]}
      onValueChange={(steps) => {
        const [low = 0, high = STEPS] = steps as number[];
        set({ min: low <= 0 ? undefined : toValue(low), max: high >= STEPS ? undefined : toValue(high) });
      }}
    >
      <Slider.Control className={styles.sliderControl}>
        <Slider.Track className={styles.sliderTrack}>
          <Slider.Indicator className={styles.sliderRange} />
          {['from', 'to'].map((end, index) => (
            <Slider.Thumb
              key={end}
              index={index}
              className={styles.sliderThumb}
              getAriaLabel={() => `${label} ${end}`}
              getAriaValueText={(_, step) => `${toValue(step)}${unit}`}
            />
          ))}
        </Slider.Track>
      </Slider.Control>
    </Slider.Root>
  );
}

function Bound({
  label,
  hint,
  decimal,
  wrong,
  value,
  onChange,
}: {
  label: string;
  hint: number | undefined;
  decimal: boolean;
  wrong: boolean;
  value: number | undefined;
  onChange: (value: number | undefined) => void;
}) {
  // As it was typed: "12." is on the way to 12.5.
  const [text, setText] = useState(String(value ?? ''));
  if (bound(text) !== value) setText(String(value ?? ''));
  return (
    <input
      className={`${forms.input} ${forms.inputSmall} number`}
      type="text"
      inputMode={decimal ? 'decimal' : 'numeric'}
      aria-label={label}
      aria-invalid={wrong || undefined}
      placeholder={hint === undefined ? 'any' : String(hint)}
      value={text}
      onChange={(event) => {
        const digits = readable(event.target.value, decimal);
        setText(digits);
        onChange(bound(digits));
      }}
    />
  );
}

const bound = (digits: string): number | undefined => (/\d/.test(digits) ? Number(digits) : undefined);

const same = (a: Range | undefined, b: Range | undefined) => a?.min === b?.min && a?.max === b?.max;
