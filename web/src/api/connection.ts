// Whether the server answers. Requests tell what they met; while it is away, /ready is asked until it is back.
import { useSyncExternalStore } from 'react';

export type Connection =
  | { state: 'online' }
  /** Nothing answers, since then (ms). What is shown is what was loaded before. */
  | { state: 'away'; since: number }
  /** The server answers from what it kept: its database is away. */
  | { state: 'stale'; since: number };

const WAITS = [500, 1_000, 2_000, 3_000, 5_000];

let current: Connection = { state: 'online' };
let attempt = 0;
let timer: ReturnType<typeof setTimeout> | undefined;
const listeners = new Set<() => void>();
const recoveries = new Set<() => void>();

function become(next: Connection): void {
  if (next.state === current.state) return;
  current = next;
  for (const listener of listeners) listener();
}

function schedule(): void {
  if (timer !== undefined) return;
  const wait = WAITS[Math.min(attempt, WAITS.length - 1)];
  timer = setTimeout(probe, wait);
}

async function probe(): Promise<void> {
  timer = undefined;
  attempt += 1;
  const ready = await fetch('/ready', { cache: 'no-store', signal: AbortSignal.timeout(4_000) }).then(
    (response) => response.ok,
    () => false,
  );
  if (ready) recovered();
  else schedule();
}

function recovered(): void {
  if (current.state === 'online') return;
  clearTimeout(timer);
  timer = undefined;
  attempt = 0;
  become({ state: 'online' });
  for (const each of recoveries) each();
}

/** A request got no answer, or that of a proxy whose server is gone. */
export function reportAway(): void {
  become({ state: 'away', since: Date.now() });
  schedule();
}

/** A request was answered; `stale`: from what the server kept while its database is away. */
export function reportAnswer(stale: boolean): void {
  if (stale) {
    become({ state: 'stale', since: Date.now() });
    schedule();
  }
}

/** Calls back each time that the server is back. */
export function onRecovery(callback: () => void): () => void {
  recoveries.add(callback);
  return () => recoveries.delete(callback);
}

/** Asks at once, for instance because somebody pressed a button or the machine has a network again. */
export function tryNow(): void {
  if (current.state === 'online') return;
  clearTimeout(timer);
  void probe();
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

if (typeof window !== 'undefined') window.addEventListener('online', tryNow);
