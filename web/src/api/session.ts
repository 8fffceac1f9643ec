// The token of whoever signed in. It is kept in sessionStorage: a reload keeps it, the end of the tab forgets it, other
// tabs and later visitors never see it. Memory alone would ask again after each reload; localStorage would outlive the
// work. Scripts that could read it are only our own: the page's policy lets in no others.
import { useSyncExternalStore } from 'react';

const KEY = 'dealmark.token';
const listeners = new Set<() => void>();
let memory: string | null = null; // where the browser keeps nothing

export function token(): string | null {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return memory;
  }
}

export function signIn(given: string): void {
  keep(given);
}

export function signOut(): void {
  keep(null);
}

function keep(given: string | null): void {
  memory = given;
  try {
    if (given === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, given);
  } catch {
    // Kept in memory then, until the page is closed.
  }
  for (const listener of listeners) listener();
}

export function useToken(): string | null {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, token);
}
