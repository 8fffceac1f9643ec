// Apollo Client; `ids`: "hash" (automatically persisted queries), "manifest" (persisted query lists), "wrong" or none.
import { readFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { ApolloClient, ApolloLink, CombinedGraphQLErrors, HttpLink, InMemoryCache } from '@apollo/client/core';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { generatePersistedQueryIdsFromManifest } from '@apollo/persisted-query-lists';
import { answer, operation, recordingFetch, request } from './recorded_fetch.mjs';

const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const useGETForHashedQueries = request.method === 'GET';
const links = {
  none: [],
  hash: [{ sha256, useGETForHashedQueries }],
  wrong: [{ sha256: (text) => sha256(`${text} `), useGETForHashedQueries }],
  manifest: [
    {
      ...generatePersistedQueryIdsFromManifest({
        loadManifest: async () => JSON.parse(readFileSync(request.manifest, 'utf8')),
      }),
      useGETForHashedQueries,
    },
  ],
};
const http = new HttpLink({ uri: request.url, fetch: recordingFetch, headers: request.headers });
const client = new ApolloClient({
  cache: new InMemoryCache(),
  link: ApolloLink.from([...links[request.ids].map((options) => new PersistedQueryLink(options)), http]),
  defaultOptions: { query: { fetchPolicy: 'network-only', errorPolicy: 'all' }, mutate: { errorPolicy: 'all' } },
});

await answer(async ({ name, variables }) => {
  const document = operation(name);
  const { data, error } =
    document.definitions[0].operation === 'mutation'
      ? await client.mutate({ mutation: document, variables })
      : await client.query({ query: document, variables });
  if (!error) return { data };
  return { data, errors: CombinedGraphQLErrors.is(error) ? error.errors : [{ message: String(error) }] };
});
