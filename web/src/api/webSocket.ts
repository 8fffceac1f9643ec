// Subscriptions over a WebSocket (graphql-transport-ws). With HTTP/1.1 a browser opens at most six connections to a
// server, and a stream of server-sent events would occupy one of them per tab. The library is loaded with the first
// subscription.
import type { SubscriptionForwarder } from '@urql/core';
import type { Client, SubscribePayload } from 'graphql-ws';
import { reportUnreachable, retryNow } from './connection';

interface SubscriptionSocket {
  /** Forwarder for urql's subscriptionExchange. Its requests have the id of the document instead of the text. */
  forward: SubscriptionForwarder;
  close: () => void;
}

/** Return a connection that opens with its first subscription and sends the token, if any. */
export function openSubscriptionSocket(token?: string): SubscriptionSocket {
  let clientPromise: Promise<Client> | undefined;
  const getClient = () => (clientPromise ??= connect(token));
  return {
    forward: (request) => ({
      subscribe: (sink) => {
        let unsubscribe: (() => void) | undefined;
        let isUnsubscribed = false;
        void getClient().then((connectedClient) => {
          if (!isUnsubscribed)
            unsubscribe = connectedClient.subscribe(
              { query: '', ...withoutUndefined(request) },
              withReadableErrors(sink) as never,
            );
        });
        return {
          unsubscribe: () => {
            isUnsubscribed = true;
            unsubscribe?.();
          },
        };
      },
    }),
    close: () => {
      void clientPromise?.then((connectedClient) => connectedClient.dispose());
      clientPromise = undefined;
    },
  };
}

async function connect(token: string | undefined): Promise<Client> {
  const { createClient } = await import('graphql-ws');
  const url = new URL('/graphql', location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  return createClient({
    url: url.href,
    connectionParams: token === undefined ? {} : { authorization: `Bearer ${token}` },
    // The server may be unavailable for a long time; retry every few seconds.
    retryAttempts: Number.POSITIVE_INFINITY,
    // Retry lost connections only. Any other error would repeat immediately.
    shouldRetry: (reason) => reason instanceof Event,
    // graphql-ws requires a text, and the server accepts either a text or an id. Remove the empty text.
    jsonMessageReplacer: (key, value) => (key === 'query' && value === '' ? undefined : value),
    retryWait: (attempts) => new Promise((resolve) => setTimeout(resolve, Math.min(500 * 2 ** attempts, 5_000))),
    keepAlive: 20_000,
    on: {
      connected: () => retryNow(),
      closed: (event) => {
        // The connection was lost or the server shut down. Other codes are deliberate.
        if (event instanceof CloseEvent && [1001, 1006, 1011, 1012].includes(event.code)) reportUnreachable();
      },
    },
  });
}

/** Convert the close event of a rejected connection to an error with its reason. */
const withReadableErrors = <Sink extends { error: (reason: unknown) => void }>(sink: Sink): Sink => ({
  ...sink,
  error: (reason: unknown) =>
    sink.error(reason instanceof CloseEvent ? new Error(reason.reason || 'The connection was closed.') : reason),
});

const withoutUndefined = (request: object) =>
  Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined)) as Partial<SubscribePayload>;
