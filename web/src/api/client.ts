// Public GraphQL client: persisted documents (GET where possible), a normalised cache in IndexedDB, and a refresh when
// data changes. web/README.md explains the choice of urql.
import { Client, type CombinedError, fetchExchange, subscriptionExchange } from '@urql/core';
import { cacheExchange, offlineExchange } from '@urql/exchange-graphcache';
import { pipe, subscribe } from 'wonka';
import { DataChangedDocument } from '../gql/graphql';
import { onReconnect, reportResponse, reportUnreachable } from './connection';
import { persistedDocumentExchange, CacheFreshness } from './exchanges';
import { openSubscriptionSocket } from './webSocket';
import { openStorage } from './storage';

const freshness = new CacheFreshness();
const storage = openStorage();

export const cacheOptions = {
  // Objects with an id are stored once, by type and id. Objects without one belong to their parent.
  keys: new Proxy({}, { get: () => (data: { id?: string }) => data.id ?? null }),
};

export const client = new Client({
  url: '/graphql',
  preferGetMethod: 'within-url-limit',
  fetch: trackedFetch,
  // `no-cache` makes the browser revalidate its copy (304). Within the max-age of Cache-Control it would otherwise
  // return data from before a change. Public requests have no token; admin/client.ts sends one.
  fetchOptions: { cache: 'no-cache' },
  exchanges: [
    freshness.exchange,
    storage === undefined
      ? cacheExchange(cacheOptions)
      : offlineExchange({ ...cacheOptions, storage, isOfflineError: (error) => isUnavailable(error) }),
    ...(import.meta.env.DEV ? [] : [persistedDocumentExchange]), // in development the documents are not published
    subscriptionExchange({ forwardSubscription: openSubscriptionSocket().forward }),
    fetchExchange,
  ],
});

/** Return whether an error means that the server is unavailable, so that only cached data can be shown. */
export function isUnavailable(error: CombinedError | undefined): boolean {
  if (error === undefined) return false;
  if (error.networkError) return error.networkError.name !== 'AbortError';
  return error.graphQLErrors.some((graphQLError) => graphQLError.extensions.code === 'SERVICE_UNAVAILABLE');
}

/** Fetch, and report whether the server responded. */
export async function trackedFetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  try {
    const response = await fetch(input, init);
    if (response.status >= 502 && response.status <= 504) reportUnreachable();
    else reportResponse(response.headers.get('x-cache') === 'STALE');
    return response;
  } catch (error) {
    if (!init?.signal?.aborted) reportUnreachable();
    throw error;
  }
}

/** Refresh the queries on the screen when data changes, for as long as the page is open. */
export function subscribeToDataChanges(): void {
  let lastVersions = '';
  pipe(
    client.subscription(DataChangedDocument, {}),
    subscribe(({ data }) => {
      if (!data) return;
      const versions = JSON.stringify(data.dataChanged.versions.map(({ domain, version }) => [domain, version]));
      // The first event has the current versions. After a reconnection they differ if a change was missed.
      if (lastVersions !== '' && versions !== lastVersions) freshness.refresh();
      lastVersions = versions;
    }),
  );
  onReconnect(() => freshness.refresh());
}
