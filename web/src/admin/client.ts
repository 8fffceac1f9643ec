// GraphQL client of the admin pages. It sends the token with every request, has its own WebSocket, and caches in
// memory. Public queries stay without a token and so in shared caches, and no admin data is stored in the browser.
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
  /** Fetch everything on the screen again. */
  refresh: () => void;
  /** Refresh on each change of data and after a reconnection. Returns a function that stops it. */
  followChanges: () => () => void;
  close: () => void;
}

const memoryStorage: StorageAdapter = { readData: async () => ({}), writeData: async () => {} };

export const errorCode = (error: CombinedError | undefined): unknown => error?.graphQLErrors[0]?.extensions.code;

/** Create a client. `onRejected` is called with the reason when the server rejects the token. */
export function createAdminClient(token: string, onRejected: (reason: string) => void = () => {}): AdminClient {
  const freshness = new CacheFreshness();
  const socket = openSubscriptionSocket(token);
  const client = new Client({
    url: '/graphql',
    preferGetMethod: 'within-url-limit',
    fetch: trackedFetch,
    fetchOptions: {
      cache: 'no-store',
      // A page of another site could submit a form with a file. It cannot set this header, which the server requires.
      headers: { authorization: `Bearer ${token}`, 'graphql-require-preflight': '1' },
    },
    exchanges: [
      mapExchange({
        onError: (error) => {
          if (errorCode(error) === 'UNAUTHENTICATED') onRejected(error.graphQLErrors[0]?.message ?? error.message);
        },
      }),
      freshness.exchange,
      // This keeps loaded data on the screen while the server is unavailable. Nothing is stored.
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
