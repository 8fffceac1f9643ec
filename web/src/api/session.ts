// The token of whoever signed in, for this tab alone: it is gone when the tab is closed.
import { useSyncExternalStore } from 'react';

const KEY = 'dealmark.token';
const listeners = new Set<() => void>();

export function token(): string | null {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}

export function signIn(given: string): void {
  sessionStorage.setItem(KEY, given.trim());
  for (const listener of listeners) listener();
}

export function signOut(): void {
  sessionStorage.removeItem(KEY);
  for (const listener of listeners) listener();
}

export function onSession(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useToken(): string | null {
  return useSyncExternalStore(onSession, token);
}
