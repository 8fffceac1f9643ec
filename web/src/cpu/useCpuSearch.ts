// CPUs by what is typed, for fields that offer some.
import type { BaseUIEvent } from '@base-ui/react/types';
import { type KeyboardEvent, useEffect, useState } from 'react';
import { useQuery } from 'urql';
import { formatInteger } from '../lib/format';
import { FindCpusDocument, type FindCpusQuery } from '../gql/graphql';

export type FoundCpu = FindCpusQuery['cpus']['nodes'][number];
const NO_CPUS: FoundCpu[] = [];
const DEBOUNCE_MS = 60; // ms after a key

/** At most `first` of them, and what is to be said beside them. */
export function useCpuSearch(typed: string, limit: number): { cpus: FoundCpu[]; message: string | null } {
  const text = typed.trim();
  const search = useDebounced(text);
  const [{ data, error, operation }] = useQuery({
    query: FindCpusDocument,
    variables: { search, first: limit },
    pause: search === '',
  });
  if (text === '') return { cpus: NO_CPUS, message: 'Type a part of the name, like 8500t' };
  // Only what was found for what is typed now: Enter would else pick what was asked for before.
  if (text !== search || operation?.variables.search !== search) return { cpus: NO_CPUS, message: 'Looking …' };
  if (!data) return { cpus: NO_CPUS, message: error ? 'CPUs cannot be looked for now' : 'Looking …' };
  const { nodes, totalCount } = data.cpus;
  if (nodes.length === 0) return { cpus: NO_CPUS, message: `No CPU is called “${search}”` };
  return {
    cpus: nodes,
    message: totalCount > nodes.length ? `The first ${nodes.length} of ${formatInteger(totalCount)}` : null,
  };
}

type KeyEvent = BaseUIEvent<KeyboardEvent>;

/**
 * Whether the list below a field is open. Tab closes it: as long as it is open all else is hidden from screen readers, and
 * Base UI leaves it open where Tab leads out of the page, and from there back into what is hidden. Enter leaves it open
 * while nothing is there to be taken.
 */
export function useListState(cpus: FoundCpu[]) {
  const [open, setOpen] = useState(false);
  const onKeyDown = (event: KeyEvent) => {
    if (event.key === 'Tab') setOpen(false);
    if (event.key === 'Enter' && cpus.length === 0) event.preventBaseUIHandler();
  };
  return { list: { open, onOpenChange: setOpen }, onKeyDown };
}

/** What it was a moment ago, so that faster typing is one question. */
function useDebounced(value: string): string {
  const [debounced, setDebounced] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setDebounced(value), DEBOUNCE_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return debounced;
}
