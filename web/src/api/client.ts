// The GraphQL client: persisted documents by their ids (GET where that can be cached), a normalised cache that outlives
// the tab, and news of data that changed. The README of this folder says why it is urql.
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
  // An object with an id is kept once under its type and that; one without belongs to the object it was found in.
  keys: new Proxy({}, { get: () => (data: { id?: string }) => data.id ?? null }),
};

export const client = new Client({
  url: '/graphql',
  preferGetMethod: 'within-url-limit',
  fetch: trackedFetch,
  // `no-cache`: the browser keeps answers and asks whether they are still right (304). It would otherwise give, for as
  // long as Cache-Control lets it, what was right before the news. No token goes with what everybody may read: see admin/.
  fetchOptions: { cache: 'no-cache' },
  exchanges: [
    freshness.exchange,
    storage === undefined
      ? cacheExchange(cacheOptions)
      : offlineExchange({ ...cacheOptions, storage, isOfflineError: (error) => isUnavailable(error) }),
    ...(import.meta.env.DEV ? [] : [persistedDocumentExchange]), // in development nobody published what was just typed
    subscriptionExchange({ forwardSubscription: openSubscriptionSocket().forward }),
    fetchExchange,
  ],
});

/** Whether an error says that nobody can answer now, so that what was loaded before is all there is. */
export function isUnavailable(error: CombinedError | undefined): boolean {
  if (error === undefined) return false;
  if (error.networkError) return error.networkError.name !== 'AbortError';
  return error.graphQLErrors.some((graphQLError) => graphQLError.extensions.code === 'SERVICE_UNAVAILABLE');
}

/** Fetches, and notes whether somebody answered. */
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

/** Follows the server's news for as long as the page is open: what is shown is asked for anew when data changed. */
export function subscribeToDataChanges(): void {
  let lastVersions = '';
  pipe(
    client.subscription(DataChangedDocument, {}),
    subscribe(({ data }) => {
      if (!data) return;
      const versions = JSON.stringify(data.dataChanged.versions.map(({ domain, version }) => [domain, version]));
      // The first event tells the state; after an interruption it differs when something was missed.
      if (lastVersions !== '' && versions !== lastVersions) freshness.refresh();
      lastVersions = versions;
    }),
  );
  onReconnect(() => freshness.refresh());
}
