// The token of whoever signed in. It is kept in sessionStorage: a reload keeps it, the end of the tab forgets it, other
// tabs and later visitors never see it. Memory alone would ask again after each reload; localStorage would outlive the
// work. Scripts that could read it are only our own: the page's policy lets in no others.
import { useSyncExternalStore } from 'react';

const STORAGE_KEY = 'dealmark.token';
const listeners = new Set<() => void>();
let memoryToken: string | null = null; // where the browser keeps nothing
let rejection: string | undefined; // why the last token was

export function currentToken(): string | null {
  try {
    return sessionStorage.getItem(STORAGE_KEY);
  } catch {
    return memoryToken;
  }
}

export function signIn(newToken: string): void {
  rejection = undefined;
  storeToken(newToken);
}

export function signOut(): void {
  rejection = undefined;
  storeToken(null);
}

/** The server does not take this token any more. Another one, given meanwhile, is not touched. */
export function rejectToken(newToken: string, reason: string): void {
  if (currentToken() !== newToken) return;
  rejection = reason;
  storeToken(null);
}

function storeToken(newToken: string | null): void {
  memoryToken = newToken;
  try {
    if (newToken === null) sessionStorage.removeItem(STORAGE_KEY);
    else sessionStorage.setItem(STORAGE_KEY, newToken);
  } catch {
    // Kept in memory then, until the page is closed.
  }
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const useToken = (): string | null => useSyncExternalStore(subscribe, currentToken);

/** Why the last token was refused; undefined where nobody's was. */
export const useTokenRejection = (): string | undefined => useSyncExternalStore(subscribe, () => rejection);
