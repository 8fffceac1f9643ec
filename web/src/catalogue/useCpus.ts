// The rows of a view. With `endless` further pages are put behind the first as they are asked for.
import { type CombinedError, stringifyVariables } from '@urql/core';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { useClient, useQuery } from 'urql';
import { pipe, subscribe } from 'wonka';
import { CpuListDocument, type CpuListQuery } from '../gql/graphql';
import type { Cpu } from './columns';
import { type View, variables } from './viewState';

type Page = CpuListQuery['cpus'];

export interface Cpus {
  /** Undefined until something was loaded for the first time. */
  rows: Cpu[] | undefined;
  total: number;
  /** Undefined, too, while the rows are those of the view before. */
  pageInfo: Page['pageInfo'] | undefined;
  /** What is shown is that of the view before, or older than it may be: the right rows are on their way. */
  busy: boolean;
  error: CombinedError | undefined;
  /** The cursor of the address is of no list that there is. */
  lost: boolean;
  again: () => void;
  /** Loads the next page behind these; undefined when there is none, or it is on its way. */
  more: (() => void) | undefined;
}

export function useCpus(view: View): Cpus {
  const asked = useMemo(() => variables(view), [view]);
  const [{ data, error, fetching, stale, operation }, run] = useQuery({ query: CpuListDocument, variables: asked });
  const { pages, loading, next } = useFurther(view, data?.cpus);
  const all = useMemo(() => (data ? [data.cpus, ...pages] : []), [data, pages]);
  const rows = useMemo(() => (data ? all.flatMap((page) => page.nodes) : undefined), [all, data]);
  const last = all.at(-1);
  // Until the answer is there, the rows are those of the view before.
  const current =
    operation !== undefined && !fetching && stringifyVariables(operation.variables) === stringifyVariables(asked);
  return {
    rows,
    total: data?.cpus.totalCount ?? 0,
    pageInfo: current ? last?.pageInfo : undefined,
    busy: fetching || stale || loading,
    error,
    lost: current && (error?.graphQLErrors ?? []).some(({ extensions }) => extensions.code === 'BAD_CURSOR'),
    again: () => run({ requestPolicy: 'network-only' }),
    more: view.size === 'endless' && last?.pageInfo.hasNextPage && !loading && !fetching ? next : undefined,
  };
}

interface Kept {
  key: string;
  cursors: string[];
  pages: Page[];
}

// Who comes back from a CPU finds as long a list as it was.
let lately: Kept | undefined;

/** The pages after the first of an endless view, each followed like any other query. */
function useFurther(view: View, first: Page | undefined) {
  const client = useClient();
  const key = useMemo(() => (view.size === 'endless' ? JSON.stringify(variables(view)) : ''), [view]);
  const [kept, setKept] = useState<Kept>(lately?.key === key ? lately : { key, cursors: [], pages: [] });
  useEffect(() => {
    lately = kept;
  }, [kept]);
  const current = kept.key === key ? kept : { key, cursors: [], pages: [] };
  const { cursors, pages } = current;
  const wanted = cursors.join(' ');

  useEffect(() => {
    if (wanted === '') return;
    const asked = JSON.parse(key) as ReturnType<typeof variables>;
    const ends = wanted.split(' ').map((after, index) =>
      pipe(
        client.query(CpuListDocument, { ...asked, after }),
        subscribe(({ data }) => {
          const page = data?.cpus;
          if (!page) return;
          setKept((before) => {
            if (before.key !== key) return before;
            const changed = [...before.pages];
            changed[index] = page;
            return { ...before, pages: changed };
          });
        }),
      ),
    );
    return () => {
      for (const end of ends) end.unsubscribe();
    };
  }, [client, key, wanted]);

  const whole = pages.filter(Boolean);
  const cursor = (whole.at(-1) ?? first)?.pageInfo.endCursor;
  const next = useCallback(() => {
    if (!cursor) return;
    setKept((before) => {
      const same = before.key === key ? before : { key, cursors: [], pages: [] };
      return same.cursors.includes(cursor) ? same : { ...same, cursors: [...same.cursors, cursor] };
    });
  }, [cursor, key]);
  return { pages: whole, loading: whole.length < cursors.length, next };
}
