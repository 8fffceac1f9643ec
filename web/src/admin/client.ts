// The client of whoever signed in: its own, with the token on all it asks, over its own connection, and a cache in memory.
// So what everybody may read stays in caches that all share, and nothing of administration is kept in the browser.
import { Client, type CombinedError, fetchExchange, mapExchange, subscriptionExchange } from '@urql/core';
import { offlineExchange, type StorageAdapter } from '@urql/exchange-graphcache';
import { pipe, subscribe } from 'wonka';
import { cacheOptions, isUnavailable, trackedFetch } from '../api/client';
import { onReconnect } from '../api/connection';
import { persistedDocumentExchange, CacheFreshness } from '../api/exchanges';
import { openSubscriptionSocket } from '../api/webSocket';
import { AdminDataChangedDocument } from '../gql/graphql';

export interface AdminClient {
  client: Client;
  /** Asks for everything shown anew. */
  refresh: () => void;
  /** Does so whenever data changed or the server is back, until it is told to stop. */
  followChanges: () => () => void;
  close: () => void;
}

const memoryStorage: StorageAdapter = { readData: async () => ({}), writeData: async () => {} };

export const errorCode = (error: CombinedError | undefined): unknown => error?.graphQLErrors[0]?.extensions.code;

/** `onRefused` is told why, when the server does not take the token any more. */
export function createAdminClient(token: string, onRejected: (reason: string) => void = () => {}): AdminClient {
  const freshness = new CacheFreshness();
  const socket = openSubscriptionSocket(token);
  const client = new Client({
    url: '/graphql',
    preferGetMethod: 'within-url-limit',
    fetch: trackedFetch,
    fetchOptions: {
      cache: 'no-store',
      // A form with a file is a kind of request that other sites' pages could make, too: this header tells it is ours.
      headers: { authorization: `Bearer ${token}`, 'graphql-require-preflight': '1' },
    },
    exchanges: [
      mapExchange({
        onError: (error) => {
          if (errorCode(error) === 'UNAUTHENTICATED') onRejected(error.graphQLErrors[0]?.message ?? error.message);
        },
      }),
      freshness.exchange,
      // What was loaded stays on the screen while the server is away, and nowhere else.
      offlineExchange({ ...cacheOptions, storage: memoryStorage, isOfflineError: isUnavailable }),
      ...(import.meta.env.DEV ? [] : [persistedDocumentExchange]),
      subscriptionExchange({ forwardSubscription: socket.forward }),
      fetchExchange,
    ],
  });
  const refresh = () => freshness.refresh();
  const followChanges = () => {
    const subscription = pipe(
      client.subscription(AdminDataChangedDocument, {}),
      subscribe(({ data }) => {
        if (data && data.dataChanged.domains.length > 0) refresh();
      }),
    );
    const removeListener = onReconnect(refresh);
    return () => {
      subscription.unsubscribe();
      removeListener();
    };
  };
  return { client, refresh, followChanges, close: socket.close };
}
