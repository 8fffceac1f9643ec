// The client of whoever signed in: its own, with the token on all it asks, over its own connection, and a cache in memory.
// So what everybody may read stays in caches that all share, and nothing of administration is kept in the browser.
import { Client, type CombinedError, fetchExchange, mapExchange, subscriptionExchange } from '@urql/core';
import { offlineExchange, type StorageAdapter } from '@urql/exchange-graphcache';
import { pipe, subscribe } from 'wonka';
import { cacheOptions, isAway, watchedFetch } from '../api/client';
import { onRecovery } from '../api/connection';
import { byId, Freshness } from '../api/exchanges';
import { openLive } from '../api/webSocket';
import { AdminDataChangedDocument } from '../gql/graphql';

export interface Signed {
  client: Client;
  /** Asks for everything shown anew. */
  refresh: () => void;
  /** Does so whenever data changed or the server is back, until it is told to stop. */
  follow: () => () => void;
  close: () => void;
}

const memory: StorageAdapter = { readData: async () => ({}), writeData: async () => {} };

export const codeOf = (error: CombinedError | undefined): unknown => error?.graphQLErrors[0]?.extensions.code;

/** `onRefused` is told why, when the server does not take the token any more. */
export function openClient(token: string, onRefused: (why: string) => void = () => {}): Signed {
  const freshness = new Freshness();
  const live = openLive(token);
  const client = new Client({
    url: '/graphql',
    preferGetMethod: 'within-url-limit',
    fetch: watchedFetch,
    fetchOptions: {
      cache: 'no-store',
      // A form with a file is a kind of request that other sites' pages could make, too: this header tells it is ours.
      headers: { authorization: `Bearer ${token}`, 'graphql-require-preflight': '1' },
    },
    exchanges: [
      mapExchange({
        onError: (error) => {
          if (codeOf(error) === 'UNAUTHENTICATED') onRefused(error.graphQLErrors[0]?.message ?? error.message);
        },
      }),
      freshness.exchange,
      // What was loaded stays on the screen while the server is away, and nowhere else.
      offlineExchange({ ...cacheOptions, storage: memory, isOfflineError: isAway }),
      ...(import.meta.env.DEV ? [] : [byId]),
      subscriptionExchange({ forwardSubscription: live.forward }),
      fetchExchange,
    ],
  });
  const refresh = () => freshness.refresh();
  const follow = () => {
    const news = pipe(
      client.subscription(AdminDataChangedDocument, {}),
      subscribe(({ data }) => {
        if (data && data.dataChanged.domains.length > 0) refresh();
      }),
    );
    const stop = onRecovery(refresh);
    return () => {
      news.unsubscribe();
      stop();
    };
  };
  return { client, refresh, follow, close: live.close };
}
