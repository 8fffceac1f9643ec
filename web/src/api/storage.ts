// Storage of the cache in IndexedDB: a page shows its last data immediately, also while the API is unavailable.
import type { SerializedEntries, StorageAdapter } from '@urql/exchange-graphcache';
import { makeDefaultStorage } from '@urql/exchange-graphcache/default-storage';
import manifest from '../gql/persisted-documents.json';
import { onReconnect } from './connection';

const PREFIX = 'dealmark-';
const MAX_AGE_DAYS = 7;
const WRITE_DELAY_MS = 1_000; // in ms: changes of several results are written together

/** Open the storage, or return undefined if the browser blocks it, as some do in private windows. */
export function openStorage(): StorageAdapter | undefined {
  const name = `${PREFIX}${fingerprint(Object.keys(manifest).join())}`;
  try {
    const storage = makeDefaultStorage({ idbName: name, maxAge: MAX_AGE_DAYS });
    void deleteOutdatedDatabases(name);
    return {
      ...storage,
      writeData: batchWrites((entries) => storage.writeData(entries)),
      // The browser's `online` event does not say whether the server is reachable; see connection.ts.
      onOnline: (callback) => {
        onReconnect(callback);
      },
    };
  } catch {
    return undefined;
  }
}

/** Delete caches of other versions of the documents: they may lack fields, and no page reads them. */
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

/** Return a short hash of a text. It distinguishes versions and is not cryptographic. */
function fingerprint(text: string): string {
  let hash = 5381;
  for (let index = 0; index < text.length; index += 1) hash = ((hash << 5) + hash + text.charCodeAt(index)) | 0;
  return (hash >>> 0).toString(36);
}
