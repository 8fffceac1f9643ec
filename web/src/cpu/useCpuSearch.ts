// CPUs by what is typed, for fields that offer some.
import type { BaseUIEvent } from '@base-ui/react/types';
import { type KeyboardEvent, useEffect, useState } from 'react';
import { useQuery } from 'urql';
import { whole } from '../lib/format';
import { FindCpusDocument, type FindCpusQuery } from '../gql/graphql';

export type Found = FindCpusQuery['cpus']['nodes'][number];
const none: Found[] = [];
const PAUSE = 60; // ms after a key

/** At most `first` of them, and what is to be said beside them. */
export function useFound(typed: string, first: number): { found: Found[]; said: string | null } {
  const wanted = typed.trim();
  const search = usePaused(wanted);
  const [{ data, error, operation }] = useQuery({
    query: FindCpusDocument,
    variables: { search, first },
    pause: search === '',
  });
  if (wanted === '') return { found: none, said: 'Type a part of the name, like 8500t' };
  // Only what was found for what is typed now: Enter would else pick what was asked for before.
  if (wanted !== search || operation?.variables.search !== search) return { found: none, said: 'Looking …' };
  if (!data) return { found: none, said: error ? 'CPUs cannot be looked for now' : 'Looking …' };
  const { nodes, totalCount } = data.cpus;
  if (nodes.length === 0) return { found: none, said: `No CPU is called “${search}”` };
  return { found: nodes, said: totalCount > nodes.length ? `The first ${nodes.length} of ${whole(totalCount)}` : null };
}

type Key = BaseUIEvent<KeyboardEvent>;

/**
 * Whether the list below a field is open. Tab closes it: as long as it is open all else is hidden from screen readers, and
 * Base UI leaves it open where Tab leads out of the page, and from there back into what is hidden. Enter leaves it open
 * while nothing is there to be taken.
 */
export function useOpenList(found: Found[]) {
  const [open, setOpen] = useState(false);
  const onKeyDown = (event: Key) => {
    if (event.key === 'Tab') setOpen(false);
    if (event.key === 'Enter' && found.length === 0) event.preventBaseUIHandler();
  };
  return { list: { open, onOpenChange: setOpen }, onKeyDown };
}

/** What it was a moment ago, so that faster typing is one question. */
function usePaused(value: string): string {
  const [paused, setPaused] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setPaused(value), PAUSE);
    return () => clearTimeout(timer);
  }, [value]);
  return paused;
}
