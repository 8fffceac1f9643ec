import { Slider } from '@base-ui/react/slider';
import { useEffect, useState } from 'react';
import { normalizeNumber } from './numberInput';
import { isReversed, type Range } from './viewState';
import forms from '../ui/forms.module.css';
import styles from './RangeField.module.css';

const STEPS = 200;
const DEBOUNCE_MS = 120; // ms after a move or key

interface Props {
  label: string;
  /** The label is there already, as the title of the group. */
  labelHidden?: boolean;
  unit?: string | undefined;
  /** Cents count. */
  decimal?: boolean;
  /** The ends of the slider; without them there are only the two fields. */
  bounds?: { min: number; max: number } | undefined;
  /** Low values get more of the slider: most of the catalogue is there. */
  nonLinear?: boolean;
  value: Range | undefined;
  onChange: (range: Range | undefined) => void;
}

/** From and to: two fields, and a slider where both ends are known. */
export function RangeField({
  label,
  labelHidden = false,
  unit = '',
  decimal = false,
  bounds,
  nonLinear = false,
  value,
  onChange,
}: Props) {
  const [draft, setDraft] = useState(value);
  const [previousValue, setPreviousValue] = useState(value);
  const [lastSent, setLastSent] = useState(value);
  // Only another value is news: the same one comes in a new object with each address, and what was told from here a
  // moment after.
  if (!isSameRange(previousValue, value)) {
    setPreviousValue(value);
    if (!isSameRange(lastSent, value)) {
      setLastSent(value);
      setDraft(value);
    }
  }
  const reversed = draft !== undefined && isReversed(draft);
  useEffect(() => {
    // On the way to "from 20 to 100" stands "from 20 to 1": nobody asks for that.
    if (isSameRange(draft, value) || reversed) return;
    const timer = setTimeout(() => {
      setLastSent(draft);
      onChange(draft);
    }, DEBOUNCE_MS);
    return () => clearTimeout(timer);
  }, [draft, value, reversed, onChange]);

  const setRange = (range: Range) => setDraft(range.min === undefined && range.max === undefined ? undefined : range);
  return (
    <fieldset className={styles.range}>
      <legend className={labelHidden ? 'visually-hidden' : undefined}>{label}</legend>
      {bounds && bounds.max > bounds.min && (
        <RangeSlider
          label={label}
          unit={unit}
          bounds={bounds}
          nonLinear={nonLinear}
          draft={draft}
          setRange={setRange}
        />
      )}
      <div className={styles.bounds}>
        <BoundInput
          label={`${label} from`}
          hint={bounds?.min}
          decimal={decimal}
          invalid={reversed}
          value={draft?.min}
          onChange={(min) => setRange({ ...draft, min })}
        />
        <span className="muted" aria-hidden="true">
          to
        </span>
        <BoundInput
          label={`${label} to`}
          hint={bounds?.max}
          decimal={decimal}
          invalid={reversed}
          value={draft?.max}
          onChange={(max) => setRange({ ...draft, max })}
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
  bounds,
  nonLinear,
  draft,
  setRange,
}: Required<Pick<Props, 'label' | 'nonLinear'>> & {
  unit: string;
  bounds: { min: number; max: number };
  draft: Range | undefined;
  setRange: (range: Range) => void;
}) {
  const power = nonLinear ? 2.2 : 1;
  const toValue = (step: number) => Math.round(bounds.min + (bounds.max - bounds.min) * (step / STEPS) ** power);
  const toStep = (value: number) => {
    const share = Math.min(1, Math.max(0, (value - bounds.min) / (bounds.max - bounds.min)));
    return Math.round(share ** (1 / power) * STEPS);
  };
  return (
    <Slider.Root
      className={undefined}
      min={0}
      max={STEPS}
      largeStep={STEPS / 10}
      thumbAlignment="edge"
      value={[toStep(draft?.min ?? bounds.min), toStep(draft?.max ?? bounds.max)]}
      onValueChange={(steps) => {
        const [low = 0, high = STEPS] = steps as number[];
        setRange({ min: low <= 0 ? undefined : toValue(low), max: high >= STEPS ? undefined : toValue(high) });
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

function BoundInput({
  label,
  hint,
  decimal,
  invalid,
  value,
  onChange,
}: {
  label: string;
  hint: number | undefined;
  decimal: boolean;
  invalid: boolean;
  value: number | undefined;
  onChange: (value: number | undefined) => void;
}) {
  // As it was typed: "12." is on the way to 12.5.
  const [text, setText] = useState(String(value ?? ''));
  if (parseBound(text) !== value) setText(String(value ?? ''));
  return (
    <input
      className={`${forms.input} ${forms.inputSmall} number`}
      type="text"
      inputMode={decimal ? 'decimal' : 'numeric'}
      aria-label={label}
      aria-invalid={invalid || undefined}
      placeholder={hint === undefined ? 'any' : String(hint)}
      value={text}
      onChange={(event) => {
        const digits = normalizeNumber(event.target.value, decimal);
        setText(digits);
        onChange(parseBound(digits));
      }}
    />
  );
}

const parseBound = (digits: string): number | undefined => (/\d/.test(digits) ? Number(digits) : undefined);

const isSameRange = (a: Range | undefined, b: Range | undefined) => a?.min === b?.min && a?.max === b?.max;
