// Search of CPUs by name, for fields that suggest matches.
import type { BaseUIEvent } from '@base-ui/react/types';
import { type KeyboardEvent, useEffect, useState } from 'react';
import { useQuery } from 'urql';
import { formatInteger } from '../lib/format';
import { FindCpusDocument, type FindCpusQuery } from '../gql/graphql';

export type FoundCpu = FindCpusQuery['cpus']['nodes'][number];
const NO_CPUS: FoundCpu[] = [];
const DEBOUNCE_MS = 60; // delay in ms after the last key

/** Return at most `limit` matches, and a message to show with them. */
export function useCpuSearch(typed: string, limit: number): { cpus: FoundCpu[]; message: string | null } {
  const text = typed.trim();
  const search = useDebounced(text);
  const [{ data, error, operation }] = useQuery({
    query: FindCpusDocument,
    variables: { search, first: limit },
    pause: search === '',
  });
  if (text === '') return { cpus: NO_CPUS, message: 'Type a part of the name, like 8500t' };
  // Return matches of the current text only. Otherwise Enter could choose a match of the previous text.
  if (text !== search || operation?.variables.search !== search) return { cpus: NO_CPUS, message: 'Searching …' };
  if (!data) return { cpus: NO_CPUS, message: error ? 'The search is unavailable' : 'Searching …' };
  const { nodes, totalCount } = data.cpus;
  if (nodes.length === 0) return { cpus: NO_CPUS, message: `No CPU matches “${search}”` };
  return {
    cpus: nodes,
    message: totalCount > nodes.length ? `The first ${nodes.length} of ${formatInteger(totalCount)}` : null,
  };
}

type KeyEvent = BaseUIEvent<KeyboardEvent>;

/**
 * State of a list of matches. Tab closes it: Base UI hides everything else from screen readers while the list is open,
 * and leaves it open when Tab moves the focus out of the page. Enter does not close an empty list.
 */
export function useListState(cpus: FoundCpu[]) {
  const [open, setOpen] = useState(false);
  const onKeyDown = (event: KeyEvent) => {
    if (event.key === 'Tab') setOpen(false);
    if (event.key === 'Enter' && cpus.length === 0) event.preventBaseUIHandler();
  };
  return { list: { open, onOpenChange: setOpen }, onKeyDown };
}

/** Return the value with a delay, so that fast typing causes one request. */
function useDebounced(value: string): string {
  const [debounced, setDebounced] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setDebounced(value), DEBOUNCE_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return debounced;
}
