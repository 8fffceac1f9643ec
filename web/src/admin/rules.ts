import type { Component, Condition, RuleFieldsFragment } from '../gql/graphql';

export const componentLabels: Record<Component, string> = {
  MEMORY: 'Memory',
  STORAGE: 'Storage',
  GRAPHICS: 'Graphics card',
  OPERATING_SYSTEM: 'Operating system',
};

export const conditionLabels: Record<Condition, string> = {
  NEW: 'New',
  OPEN_BOX: 'Open box',
  REFURBISHED: 'Refurbished',
  USED: 'Used',
  FOR_PARTS: 'For parts',
  UNKNOWN: 'Unknown',
};

/** Return whether a component has a capacity, and so may have a price per GB. */
export const hasCapacity = (component: Component): boolean => component === 'MEMORY' || component === 'STORAGE';

/** Describe a rule: "Memory DDR4, $2.00 per GB". */
export const ruleLabel = ({ component, kind, valueUsd, unit }: RuleFieldsFragment): string =>
  `${componentLabels[component]}${kind ? ` ${kind}` : ''}, $${valueUsd} ${unit === 'GB' ? 'per GB' : 'each'}`;

/** Parse a non-negative decimal number, or return undefined. */
export function parseDecimal(typed: string): number | undefined {
  const text = typed.trim().replace(/^\$/, '');
  return /^\d+(\.\d*)?$|^\.\d+$/.test(text) ? Number(text) : undefined;
}

/** Format a time for a `datetime-local` field, in the time zone of the browser. */
export function toDateTimeInput(iso: string): string {
  const date = new Date(iso);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
