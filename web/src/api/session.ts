// The token of whoever signed in. It is kept in sessionStorage: a reload keeps it, the end of the tab forgets it, other
// tabs and later visitors never see it. Memory alone would ask again after each reload; localStorage would outlive the
// work. Scripts that could read it are only our own: the page's policy lets in no others.
import { useSyncExternalStore } from 'react';

const KEY = 'dealmark.token';
const listeners = new Set<() => void>();
let memory: string | null = null; // where the browser keeps nothing
let refused: string | undefined; // why the last token was

export function token(): string | null {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return memory;
  }
}

export function signIn(given: string): void {
  refused = undefined;
  keep(given);
}

export function signOut(): void {
  refused = undefined;
  keep(null);
}

/** The server does not take this token any more. Another one, given meanwhile, is not touched. */
export function refuse(given: string, why: string): void {
  if (token() !== given) return;
  refused = why;
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

function follow(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const useToken = (): string | null => useSyncExternalStore(follow, token);

/** Why the last token was refused; undefined where nobody's was. */
export const useRefusal = (): string | undefined => useSyncExternalStore(follow, () => refused);
