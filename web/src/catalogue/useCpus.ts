// Rows of a view. With `endless`, further pages are appended as they are needed.
import { type CombinedError, stringifyVariables } from '@urql/core';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { useClient, useQuery } from 'urql';
import { pipe, subscribe } from 'wonka';
import { CpuListDocument, type CpuListQuery } from '../gql/graphql';
import type { ListedCpu } from './columns';
import { type CatalogueView, listVariables } from './viewState';

type Page = CpuListQuery['cpus'];

export interface CpuResults {
  /** Undefined until the first result. */
  rows: ListedCpu[] | undefined;
  total: number;
  /** Undefined while the rows are those of the previous view. */
  pageInfo: Page['pageInfo'] | undefined;
  /** The rows may be those of the previous view or outdated, and a request is running. */
  isLoading: boolean;
  error: CombinedError | undefined;
  /** The cursor of the address does not belong to this list. */
  hasInvalidCursor: boolean;
  refetch: () => void;
  /** Load the next page; undefined if there is none or it is loading. */
  loadMore: (() => void) | undefined;
}

export function useCpus(view: CatalogueView): CpuResults {
  const queryVariables = useMemo(() => listVariables(view), [view]);
  const [{ data, error, fetching, stale, operation }, reexecute] = useQuery({
    query: CpuListDocument,
    variables: queryVariables,
  });
  const { pages, loading, next: loadNext } = useEndlessPages(view, data?.cpus);
  const all = useMemo(() => (data ? [data.cpus, ...pages] : []), [data, pages]);
  const rows = useMemo(() => (data ? all.flatMap((page) => page.nodes) : undefined), [all, data]);
  const last = all.at(-1);
  // Until the result arrives, the rows are those of the previous view.
  const current =
    operation !== undefined &&
    !fetching &&
    stringifyVariables(operation.variables) === stringifyVariables(queryVariables);
  return {
    rows,
    total: data?.cpus.totalCount ?? 0,
    pageInfo: current ? last?.pageInfo : undefined,
    isLoading: fetching || stale || loading,
    error,
    hasInvalidCursor:
      current && (error?.graphQLErrors ?? []).some(({ extensions }) => extensions.code === 'BAD_CURSOR'),
    refetch: () => reexecute({ requestPolicy: 'network-only' }),
    loadMore: view.size === 'endless' && last?.pageInfo.hasNextPage && !loading && !fetching ? loadNext : undefined,
  };
}

interface EndlessPages {
  key: string;
  cursors: string[];
  pages: Page[];
}

// After a visit to a CPU page the list is as long as before.
let lastEndlessPages: EndlessPages | undefined;

/** Load the pages after the first one of an endless view. Each is updated like any other query. */
function useEndlessPages(view: CatalogueView, first: Page | undefined) {
  const client = useClient();
  const key = useMemo(() => (view.size === 'endless' ? JSON.stringify(listVariables(view)) : ''), [view]);
  const [saved, setSaved] = useState<EndlessPages>(
    lastEndlessPages?.key === key ? lastEndlessPages : { key, cursors: [], pages: [] },
  );
  useEffect(() => {
    lastEndlessPages = saved;
  }, [saved]);
  const current = saved.key === key ? saved : { key, cursors: [], pages: [] };
  const { cursors, pages } = current;
  const cursorList = cursors.join(' ');

  useEffect(() => {
    if (cursorList === '') return;
    const queryVariables = JSON.parse(key) as ReturnType<typeof listVariables>;
    const subscriptions = cursorList.split(' ').map((after, index) =>
      pipe(
        client.query(CpuListDocument, { ...queryVariables, after }),
        subscribe(({ data }) => {
          const page = data?.cpus;
          if (!page) return;
          setSaved((previous) => {
            if (previous.key !== key) return previous;
            const updatedPages = [...previous.pages];
            updatedPages[index] = page;
            return { ...previous, pages: updatedPages };
          });
        }),
      ),
    );
    return () => {
      for (const subscription of subscriptions) subscription.unsubscribe();
    };
  }, [client, key, cursorList]);

  const loadedPages = pages.filter(Boolean);
  const nextCursor = (loadedPages.at(-1) ?? first)?.pageInfo.endCursor;
  const loadNext = useCallback(() => {
    if (!nextCursor) return;
    setSaved((previous) => {
      const base = previous.key === key ? previous : { key, cursors: [], pages: [] };
      return base.cursors.includes(nextCursor) ? base : { ...base, cursors: [...base.cursors, nextCursor] };
    });
  }, [nextCursor, key]);
  return { pages: loadedPages, loading: loadedPages.length < cursors.length, next: loadNext };
}
