// Subscriptions, by WebSocket (graphql-transport-ws): a stream of server-sent events would hold one of the six
// connections that a browser has for a server with HTTP/1.1, in each tab. Loaded when the first one is asked for.
import type { SubscriptionForwarder } from '@urql/core';
import type { Client, SubscribePayload } from 'graphql-ws';
import { reportAway, tryNow } from './connection';

export interface Live {
  /** What urql's subscriptionExchange calls; its request has the id of the document in place of its text. */
  forward: SubscriptionForwarder;
  close: () => void;
}

/** A connection of its own, opened when something is followed; a token is told when it is opened. */
export function openLive(token?: string): Live {
  let client: Promise<Client> | undefined;
  const connected = () => (client ??= connect(token));
  return {
    forward: (request) => ({
      subscribe: (sink) => {
        let stop: (() => void) | undefined;
        let stopped = false;
        void connected().then((made) => {
          if (!stopped) stop = made.subscribe({ query: '', ...defined(request) }, told(sink) as never);
        });
        return {
          unsubscribe: () => {
            stopped = true;
            stop?.();
          },
        };
      },
    }),
    close: () => {
      void client?.then((made) => made.dispose());
      client = undefined;
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
    shouldRetry: (problem) => problem instanceof Event,
    // graphql-ws insists on a text, the server wants either that or an id: the empty text above is not sent.
    jsonMessageReplacer: (key, value) => (key === 'query' && value === '' ? undefined : value),
    retryWait: (tried) => new Promise((resolve) => setTimeout(resolve, Math.min(500 * 2 ** tried, 5_000))),
    keepAlive: 20_000,
    on: {
      connected: () => tryNow(),
      closed: (event) => {
        // A connection that broke, or a server that stops; all else was meant by one of the two sides.
        if (event instanceof CloseEvent && [1001, 1006, 1011, 1012].includes(event.code)) reportAway();
      },
    },
  });
}

/** A connection that was refused is told as an error with the reason. */
const told = <Sink extends { error: (problem: unknown) => void }>(sink: Sink): Sink => ({
  ...sink,
  error: (problem: unknown) =>
    sink.error(problem instanceof CloseEvent ? new Error(problem.reason || 'The connection was closed.') : problem),
});

const defined = (request: object) =>
  Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined)) as Partial<SubscribePayload>;
