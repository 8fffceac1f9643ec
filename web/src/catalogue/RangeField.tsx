import { Slider } from '@base-ui/react/slider';
import { useEffect, useState } from 'react';
import { normalizeNumber } from './numberInput';
import { isReversed, type Range } from './viewState';
import forms from '../ui/forms.module.css';
import styles from './RangeField.module.css';

const STEPS = 200;
const DEBOUNCE_MS = 120; // delay in ms after a move or key

interface Props {
  label: string;
  /** Whether the title of the group already shows the label. */
  labelHidden?: boolean;
  unit?: string | undefined;
  /** Whether decimals are allowed. */
  decimal?: boolean;
  /** Limits of the slider; without them there are only the two fields. */
  bounds?: { min: number; max: number } | undefined;
  /** Whether low values, where most CPUs are, take up more of the slider. */
  nonLinear?: boolean;
  value: Range | undefined;
  onChange: (range: Range | undefined) => void;
}

/** Fields for the minimum and maximum of a range, with a slider if both limits are known. */
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
  // Take over a value from the address only if it is not the one sent from here. Each address creates a new object, so
  // compare the contents.
  if (!isSameRange(previousValue, value)) {
    setPreviousValue(value);
    if (!isSameRange(lastSent, value)) {
      setLastSent(value);
      setDraft(value);
    }
  }
  const reversed = draft !== undefined && isReversed(draft);
  useEffect(() => {
    // Do not send a reversed range: typing "20 to 100" passes through "20 to 1".
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
        {reversed && 'The minimum is above the maximum.'}
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
  // The text as typed: "12." is on the way to "12.5".
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
