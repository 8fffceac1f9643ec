// Whether the server answers. Requests tell what they met; while it is away, /ready is asked until it is back.
import { useSyncExternalStore } from 'react';

export type Connection =
  | { state: 'online' }
  /** Nothing answers, since then (ms). What is shown is what was loaded before. */
  | { state: 'offline'; since: number }
  /** The server answers from what it kept: its database is away. */
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

/** A request got no answer, or that of a proxy whose server is gone. */
export function reportUnreachable(): void {
  setConnection({ state: 'offline', since: Date.now() });
  scheduleCheck();
}

/** A request was answered; `stale`: from what the server kept while its database is away. */
export function reportResponse(stale: boolean): void {
  if (stale) {
    setConnection({ state: 'stale', since: Date.now() });
    scheduleCheck();
  }
}

/** Calls back each time that the server is back. */
export function onReconnect(callback: () => void): () => void {
  reconnectListeners.add(callback);
  return () => reconnectListeners.delete(callback);
}

/** Asks at once, for instance because somebody pressed a button or the machine has a network again. */
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
