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
  UNKNOWN: 'Not told',
};

/** What cannot have a size has no price per GB. */
export const hasCapacity = (component: Component): boolean => component === 'MEMORY' || component === 'STORAGE';

/** Memory DDR4, $2.00 per GB */
export const ruleLabel = ({ component, kind, valueUsd, unit }: RuleFieldsFragment): string =>
  `${componentLabels[component]}${kind ? ` ${kind}` : ''}, $${valueUsd} ${unit === 'GB' ? 'per GB' : 'each'}`;

/** A decimal number of at least zero as it is typed; undefined when it is none. */
export function parseDecimal(typed: string): number | undefined {
  const text = typed.trim().replace(/^\$/, '');
  return /^\d+(\.\d*)?$|^\.\d+$/.test(text) ? Number(text) : undefined;
}

/** For a field of the day and time here. */
export function toDateTimeInput(iso: string): string {
  const date = new Date(iso);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
