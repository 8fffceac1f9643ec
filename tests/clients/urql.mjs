// urql; `ids`: "hash" (automatically persisted queries), "manifest" (its ids are enforced), "wrong" or none.
import { readFileSync } from 'node:fs';
import { Client, fetchExchange } from '@urql/core';
import { persistedExchange } from '@urql/exchange-persisted';
import { Kind } from 'graphql';
import { answer, operation, recordingFetch, request } from './recorded_fetch.mjs';

const preferGetForPersistedQueries = request.method === 'GET';
const nameOf = (document) => document.definitions.find((d) => d.kind === Kind.OPERATION_DEFINITION).name.value;
const exchanges = {
  none: () => [],
  hash: () => [persistedExchange({ preferGetForPersistedQueries })],
  wrong: () => [persistedExchange({ preferGetForPersistedQueries, generateHash: async () => '0'.repeat(64) })],
  manifest: () => {
    const { operations } = JSON.parse(readFileSync(request.manifest, 'utf8'));
    const ids = new Map(operations.map(({ id, name }) => [name, id]));
    const generateHash = async (_, document) => ids.get(nameOf(document)) ?? 'not-in-the-manifest';
    return [
      persistedExchange({
        preferGetForPersistedQueries,
        enforcePersistedQueries: true,
        enableForMutation: true,
        generateHash,
      }),
    ];
  },
};
const client = new Client({
  url: request.url,
  exchanges: [...exchanges[request.ids](), fetchExchange],
  fetch: recordingFetch,
  fetchOptions: { headers: request.headers },
  requestPolicy: 'network-only',
});

await answer(async ({ name, variables }) => {
  const document = operation(name);
  const { data, error } = await (document.definitions[0].operation === 'mutation'
    ? client.mutation(document, variables ?? {})
    : client.query(document, variables ?? {}));
  if (!error) return { data };
  const { networkError, graphQLErrors } = error;
  return { data, errors: networkError ? [{ message: String(networkError) }] : graphQLErrors };
});
