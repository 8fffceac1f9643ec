// Formats of numbers, money and times. Intl formatters are expensive to create, so each is created once.
const integerFormat = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const centsFormat = new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD' });
const dollarsFormat = new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD', maximumFractionDigits: 0 });
const perMarkFormat = new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD', minimumFractionDigits: 4 });
const timeFormat = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const dateFormat = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });
const relativeFormat = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

export const NO_VALUE = '–';

type Maybe<T> = T | null | undefined;

const withFallback =
  (format: (value: number) => string) =>
  (value: Maybe<number>): string =>
    value === null || value === undefined ? NO_VALUE : format(value);

/** Format as 12,345. */
export const formatInteger = withFallback((value) => integerFormat.format(value));
/** Format as $41.95, and without cents from $1,000. */
export const formatUsd = withFallback((value) => (value >= 1_000 ? dollarsFormat : centsFormat).format(value));
/** Format for axes: $42, but $42.50. */
export const formatShortUsd = (value: number): string => formatUsd(value).replace('.00', '');
/** Format as $0.0054. */
export const formatUsdPerMark = withFallback((value) => perMarkFormat.format(value));
/** Format as 27.5 %. */
export const formatPercent = withFallback((value) => `${value.toFixed(1).replace(/\.0$/, '')} %`);

/** Format an amount in its currency: 39.90 EUR. */
export function formatMoney(value: Maybe<number>, currency: string): string {
  if (value === null || value === undefined) return NO_VALUE;
  return currency === 'USD' ? formatUsd(value) : `${value.toFixed(2)} ${currency}`;
}

/** Format as 14:05. */
export const formatTime = (moment: number): string => timeFormat.format(moment);

/** Format as 22 Nov 2026. */
export const formatDay = (iso: string): string => dateFormat.format(Date.parse(iso));

/** Format as "3 hours ago"; after a month, as the day. */
export function formatAge(iso: Maybe<string>, now = Date.now()): string {
  if (!iso) return 'never';
  const seconds = (Date.parse(iso) - now) / 1_000;
  if (seconds < -30 * 86_400) return formatDay(iso);
  const steps = [
    [86_400, 'day'],
    [3_600, 'hour'],
    [60, 'minute'],
  ] as const;
  for (const [size, unit] of steps)
    if (seconds <= -size) return relativeFormat.format(Math.round(seconds / size), unit);
  return 'just now';
}

/** Format a duration: 40 ms, 2.4 s, 12 s, 3 min 20 s, 2 h 5 min. Rounds before it splits, so no part reaches 60. */
export function formatDuration(from: Maybe<string>, to: Maybe<string>): string {
  if (!from || !to) return '';
  const milliseconds = Math.max(0, Date.parse(to) - Date.parse(from));
  if (milliseconds < 995) return `${Math.max(1, Math.round(milliseconds))} ms`;
  const tenths = Math.round(milliseconds / 100);
  if (tenths < 100) return `${(tenths / 10).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1_000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Keep the words of a text on one line. SEPARATOR joins such texts and never starts a line. */
export const nonBreaking = (fact: string | number): string => String(fact).replaceAll(' ', '\u00a0');
export const SEPARATOR = '\u00a0· ';

/** Remove the clock rate from "Intel Core i5-8500T @ 2.10GHz". */
export const shortCpuName = (name: string): string => name.replace(/\s*@\s*[\d.]+\s*GHz$/i, '');
