// State of the connection to the server. Requests report what happened; while it is lost, /ready is polled.
import { useSyncExternalStore } from 'react';

type Connection =
  | { state: 'online' }
  /** The server has not responded since then (ms). The page shows cached data. */
  | { state: 'offline'; since: number }
  /** The server responds from its cache, because its database is unavailable. */
  | { state: 'stale'; since: number };

const RETRY_DELAYS_MS = [500, 1_000, 2_000, 3_000, 5_000];

let current: Connection = { state: 'online' };
let attempt = 0;
let timer: ReturnType<typeof setTimeout> | undefined;
const listeners = new Set<() => void>();
const reconnectListeners = new Set<() => void>();

function setConnection(next: Connection): void {
  if (next.state === current.state) return;
  current = next;
  for (const listener of listeners) listener();
}

function scheduleCheck(): void {
  if (timer !== undefined) return;
  const delay = RETRY_DELAYS_MS[Math.min(attempt, RETRY_DELAYS_MS.length - 1)];
  timer = setTimeout(checkReady, delay);
}

async function checkReady(): Promise<void> {
  timer = undefined;
  attempt += 1;
  const ready = await fetch('/ready', { cache: 'no-store', signal: AbortSignal.timeout(4_000) }).then(
    (response) => response.ok,
    () => false,
  );
  if (ready) markOnline();
  else scheduleCheck();
}

function markOnline(): void {
  if (current.state === 'online') return;
  clearTimeout(timer);
  timer = undefined;
  attempt = 0;
  setConnection({ state: 'online' });
  for (const listener of reconnectListeners) listener();
}

/** Report that a request had no response, or only one of a proxy without a server behind it. */
export function reportUnreachable(): void {
  setConnection({ state: 'offline', since: Date.now() });
  scheduleCheck();
}

/** Report a response; `stale` if it is from the server's cache while its database is unavailable. */
export function reportResponse(stale: boolean): void {
  if (stale) {
    setConnection({ state: 'stale', since: Date.now() });
    scheduleCheck();
  }
}

/** Call back after each reconnection. Returns a function that removes the listener. */
export function onReconnect(callback: () => void): () => void {
  reconnectListeners.add(callback);
  return () => reconnectListeners.delete(callback);
}

/** Check immediately, for example when the user asks for it or the network is back. */
export function retryNow(): void {
  if (current.state === 'online') return;
  clearTimeout(timer);
  void checkReady();
}

export function useConnection(): Connection {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => current,
  );
}

if (typeof window !== 'undefined') window.addEventListener('online', retryNow);
