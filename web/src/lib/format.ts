// Numbers, money and times as people read them. Intl's formatters are expensive to make, so each is made once.
const integer = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const cents = new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD' });
const dollars = new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD', maximumFractionDigits: 0 });
const perMark = new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD', minimumFractionDigits: 4 });
const time = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const date = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });
const ago = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

export const NONE = '–';

type Maybe<T> = T | null | undefined;

const or =
  (write: (value: number) => string) =>
  (value: Maybe<number>): string =>
    value === null || value === undefined ? NONE : write(value);

/** 12,345 */
export const whole = or((value) => integer.format(value));
/** $41.95, and $1,250 from a thousand on */
export const usd = or((value) => (value >= 1_000 ? dollars : cents).format(value));
/** $0.0054 */
export const usdPerMark = or((value) => perMark.format(value));
/** 27.5 % */
export const percent = or((value) => `${value.toFixed(1).replace(/\.0$/, '')} %`);

/** In a currency of its own: 39.90 EUR. */
export function money(value: Maybe<number>, currency: string): string {
  if (value === null || value === undefined) return NONE;
  return currency === 'USD' ? usd(value) : `${value.toFixed(2)} ${currency}`;
}

/** 14:05 */
export const clock = (moment: number): string => time.format(moment);

/** 22 Nov 2026 */
export const day = (iso: string): string => date.format(Date.parse(iso));

/** 3 hours ago; beyond a month the day itself. */
export function since(iso: Maybe<string>, now = Date.now()): string {
  if (!iso) return 'never';
  const seconds = (Date.parse(iso) - now) / 1_000;
  if (seconds < -30 * 86_400) return day(iso);
  const steps = [
    [86_400, 'day'],
    [3_600, 'hour'],
    [60, 'minute'],
  ] as const;
  for (const [size, unit] of steps) if (seconds <= -size) return ago.format(Math.round(seconds / size), unit);
  return 'just now';
}

/** A fact of several words that stay on one line, and what stands between facts: never at the start of one. */
export const unbroken = (fact: string | number): string => String(fact).replaceAll(' ', '\u00a0');
export const BETWEEN = '\u00a0· ';

/** "Intel Core i5-8500T @ 2.10GHz" without its clock. */
export const shortName = (name: string): string => name.replace(/\s*@\s*[\d.]+\s*GHz$/i, '');
