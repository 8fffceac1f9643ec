// Token of the signed-in viewer. It is stored in sessionStorage: it survives a reload, ends with the tab, and is not
// visible to other tabs. Memory alone would require a new sign-in after each reload; localStorage would keep the token
// too long. Only scripts of this origin can read it, because the Content-Security-Policy allows no others.
import { useSyncExternalStore } from 'react';

const STORAGE_KEY = 'dealmark.token';
const listeners = new Set<() => void>();
let memoryToken: string | null = null; // fallback for browsers that block storage
let rejection: string | undefined; // why the server rejected the last token

function currentToken(): string | null {
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

/** Sign out because the server rejected `rejectedToken`. A token that replaced it in the meantime is kept. */
export function rejectToken(rejectedToken: string, reason: string): void {
  if (currentToken() !== rejectedToken) return;
  rejection = reason;
  storeToken(null);
}

function storeToken(newToken: string | null): void {
  memoryToken = newToken;
  try {
    if (newToken === null) sessionStorage.removeItem(STORAGE_KEY);
    else sessionStorage.setItem(STORAGE_KEY, newToken);
  } catch {
    // Storage is blocked: the token stays in memory until the page is closed.
  }
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const useToken = (): string | null => useSyncExternalStore(subscribe, currentToken);

/** Return why the server rejected the last token, or undefined. */
export const useTokenRejection = (): string | undefined => useSyncExternalStore(subscribe, () => rejection);
