// Subscriptions, by WebSocket (graphql-transport-ws): a stream of server-sent events would hold one of the six
// connections that a browser has for a server with HTTP/1.1, in each tab. Loaded when the first one is asked for.
import type { SubscriptionForwarder } from '@urql/core';
import type { Client, SubscribePayload } from 'graphql-ws';
import { reportUnreachable, retryNow } from './connection';

export interface SubscriptionSocket {
  /** What urql's subscriptionExchange calls; its request has the id of the document in place of its text. */
  forward: SubscriptionForwarder;
  close: () => void;
}

/** A connection of its own, opened when something is followed; a token is told when it is opened. */
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
    // The server may be away for as long as it likes; it is asked every few seconds.
    retryAttempts: Number.POSITIVE_INFINITY,
    // Only what was a connection: anything else is a mistake, and would be made again at once.
    shouldRetry: (reason) => reason instanceof Event,
    // graphql-ws insists on a text, the server wants either that or an id: the empty text above is not sent.
    jsonMessageReplacer: (key, value) => (key === 'query' && value === '' ? undefined : value),
    retryWait: (attempts) => new Promise((resolve) => setTimeout(resolve, Math.min(500 * 2 ** attempts, 5_000))),
    keepAlive: 20_000,
    on: {
      connected: () => retryNow(),
      closed: (event) => {
        // A connection that broke, or a server that stops; all else was meant by one of the two sides.
        if (event instanceof CloseEvent && [1001, 1006, 1011, 1012].includes(event.code)) reportUnreachable();
      },
    },
  });
}

/** A connection that was refused is told as an error with the reason. */
const withReadableErrors = <Sink extends { error: (reason: unknown) => void }>(sink: Sink): Sink => ({
  ...sink,
  error: (reason: unknown) =>
    sink.error(reason instanceof CloseEvent ? new Error(reason.reason || 'The connection was closed.') : reason),
});

const withoutUndefined = (request: object) =>
  Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined)) as Partial<SubscribePayload>;
