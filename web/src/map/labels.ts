import type { MarkKind } from './points';

export const markLabels: Record<MarkKind, string> = { multi: 'multi-thread mark', single: 'single-thread mark' };
