// What every script shares: the request it was given, the operations, and a fetch that writes down what went over the wire.
import { readdirSync, readFileSync } from 'node:fs';
import { Kind, parse } from 'graphql';

export const request = JSON.parse(process.argv[2]);

const folder = new URL('operations/', import.meta.url);
export const sources = readdirSync(folder).map((file) => {
  const location = new URL(file, folder).pathname;
  const text = readFileSync(location, 'utf8');
  return { location, rawSDL: text, document: parse(text) };
});
const definitions = sources.flatMap(({ document }) => document.definitions);
const fragments = definitions.filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION);

// A document with one operation and the fragment that the queries use, as a page of an application has it.
export function operation(name) {
  const wanted = definitions.find((d) => d.kind === Kind.OPERATION_DEFINITION && d.name.value === name);
  return { kind: Kind.DOCUMENT, definitions: [wanted, ...(wanted.operation === 'query' ? fragments : [])] };
}

let seen = [];

export async function recordingFetch(address, options = {}) {
  const url = new URL(address);
  const method = options.method ?? 'GET';
  const sent = method === 'GET' ? Object.fromEntries(url.searchParams) : JSON.parse(options.body);
  const response = await fetch(address, options);
  seen.push({
    method,
    sends: Object.keys(sent).sort(),
    status: response.status,
    type: response.headers.get('content-type'),
    cache: response.headers.get('x-cache'),
    control: response.headers.get('cache-control'),
  });
  return response;
}

// Runs each ask in turn; prints [{data, errors: [[code, message]], requests: [...]}].
export async function answer(run) {
  const results = [];
  for (const ask of request.asks) {
    seen = [];
    const { data = null, errors = [] } = await run(ask);
    results.push({
      data: data ?? null,
      errors: errors.map((e) => [e.extensions?.code ?? null, e.message]),
      requests: seen,
    });
  }
  console.log(JSON.stringify(results));
}
