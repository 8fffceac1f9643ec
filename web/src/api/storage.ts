// The cache outlives the tab, in IndexedDB: a page shows at once what was there before, and goes on when the API is away.
import type { SerializedEntries, StorageAdapter } from '@urql/exchange-graphcache';
import { makeDefaultStorage } from '@urql/exchange-graphcache/default-storage';
import manifest from '../gql/persisted-documents.json';
import { onRecovery } from './connection';

const PREFIX = 'dealmark-';
const DAYS = 7;
const WRITE_AFTER = 1_000; // ms: what many results changed is written once

/** Undefined where the browser keeps nothing (private windows of some). */
export function openStorage(): StorageAdapter | undefined {
  const name = `${PREFIX}${fingerprint(Object.keys(manifest).join())}`;
  try {
    const kept = makeDefaultStorage({ idbName: name, maxAge: DAYS });
    void forgetOthers(name);
    return {
      ...kept,
      writeData: delayed((entries) => kept.writeData(entries)),
      // The browser's own `online` says nothing about the server; see connection.ts.
      onOnline: (callback) => {
        onRecovery(callback);
      },
    };
  } catch {
    return undefined;
  }
}

/** Caches of other documents may lack fields, and nobody would ever read them again. */
async function forgetOthers(name: string): Promise<void> {
  const found = (await indexedDB.databases?.()) ?? [];
  for (const each of found) {
    if (each.name?.startsWith(PREFIX) && each.name !== name) indexedDB.deleteDatabase(each.name);
  }
}

function delayed(write: (entries: SerializedEntries) => Promise<unknown>) {
  let waiting: SerializedEntries | undefined;
  return async (entries: SerializedEntries): Promise<void> => {
    if (waiting !== undefined) {
      Object.assign(waiting, entries);
      return;
    }
    waiting = { ...entries };
    await new Promise((resolve) => setTimeout(resolve, WRITE_AFTER));
    const all = waiting;
    waiting = undefined;
    await write(all);
  };
}

/** Of a text, 7 letters or so: to tell versions apart, not to protect anything. */
function fingerprint(text: string): string {
  let hash = 5381;
  for (let index = 0; index < text.length; index += 1) hash = ((hash << 5) + hash + text.charCodeAt(index)) | 0;
  return (hash >>> 0).toString(36);
}
