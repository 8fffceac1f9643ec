// The cache outlives the tab, in IndexedDB: a page shows at once what was there before, and goes on when the API is away.
import type { SerializedEntries, StorageAdapter } from '@urql/exchange-graphcache';
import { makeDefaultStorage } from '@urql/exchange-graphcache/default-storage';
import manifest from '../gql/persisted-documents.json';
import { onReconnect } from './connection';

const PREFIX = 'dealmark-';
const MAX_AGE_DAYS = 7;
const WRITE_DELAY_MS = 1_000; // ms: what many results changed is written once

/** Undefined where the browser keeps nothing (private windows of some). */
export function openStorage(): StorageAdapter | undefined {
  const name = `${PREFIX}${fingerprint(Object.keys(manifest).join())}`;
  try {
    const storage = makeDefaultStorage({ idbName: name, maxAge: MAX_AGE_DAYS });
    void deleteOutdatedDatabases(name);
    return {
      ...storage,
      writeData: batchWrites((entries) => storage.writeData(entries)),
      // The browser's own `online` says nothing about the server; see connection.ts.
      onOnline: (callback) => {
        onReconnect(callback);
      },
    };
  } catch {
    return undefined;
  }
}

/** Caches of other documents may lack fields, and nobody would ever read them again. */
async function deleteOutdatedDatabases(name: string): Promise<void> {
  const databases = (await indexedDB.databases?.()) ?? [];
  for (const database of databases) {
    if (database.name?.startsWith(PREFIX) && database.name !== name) indexedDB.deleteDatabase(database.name);
  }
}

function batchWrites(write: (entries: SerializedEntries) => Promise<unknown>) {
  let pending: SerializedEntries | undefined;
  return async (entries: SerializedEntries): Promise<void> => {
    if (pending !== undefined) {
      Object.assign(pending, entries);
      return;
    }
    pending = { ...entries };
    await new Promise((resolve) => setTimeout(resolve, WRITE_DELAY_MS));
    const batch = pending;
    pending = undefined;
    await write(batch);
  };
}

/** Of a text, 7 letters or so: to tell versions apart, not to protect anything. */
function fingerprint(text: string): string {
  let hash = 5381;
  for (let index = 0; index < text.length; index += 1) hash = ((hash << 5) + hash + text.charCodeAt(index)) | 0;
  return (hash >>> 0).toString(36);
}
