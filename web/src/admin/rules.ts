import type { Component, Condition, RuleFieldsFragment } from '../gql/graphql';

export const componentNames: Record<Component, string> = {
  MEMORY: 'Memory',
  STORAGE: 'Storage',
  GRAPHICS: 'Graphics card',
  OPERATING_SYSTEM: 'Operating system',
};

export const conditionNames: Record<Condition, string> = {
  NEW: 'New',
  OPEN_BOX: 'Open box',
  REFURBISHED: 'Refurbished',
  USED: 'Used',
  FOR_PARTS: 'For parts',
  UNKNOWN: 'Not told',
};

/** What cannot have a size has no price per GB. */
export const hasSize = (component: Component): boolean => component === 'MEMORY' || component === 'STORAGE';

/** Memory DDR4, $2.00 per GB */
export const nameOf = ({ component, kind, valueUsd, unit }: RuleFieldsFragment): string =>
  `${componentNames[component]}${kind ? ` ${kind}` : ''}, $${valueUsd} ${unit === 'GB' ? 'per GB' : 'each'}`;

/** A decimal number of at least zero as it is typed; undefined when it is none. */
export function decimal(typed: string): number | undefined {
  const text = typed.trim().replace(/^\$/, '');
  return /^\d+(\.\d*)?$|^\.\d+$/.test(text) ? Number(text) : undefined;
}

/** For a field of the day and time here. */
export function localTime(iso: string): string {
  const at = new Date(iso);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
