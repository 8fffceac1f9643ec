// The documents that graphql-codegen wrote into `folder`, sent by the hashes that it embedded in them.
import { readFileSync } from 'node:fs';
import { answer, recordingFetch, request } from './recorded_fetch.mjs';

const generated = readFileSync(`${request.folder}/graphql.ts`, 'utf8');

await answer(async ({ name, variables }) => {
  const [, literal] = generated.match(new RegExp(`^export const ${name}Document = (.*) as unknown as `, 'm'));
  const response = await recordingFetch(request.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...request.headers },
    body: JSON.stringify({ documentId: JSON.parse(literal).__meta__.hash, variables }),
  });
  return response.json();
});
