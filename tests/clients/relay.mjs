// relay-runtime with the artifacts of relay-compiler in `folder`: documents go by the ids that the compiler gave them.
import {
  commitMutation,
  Environment,
  fetchQuery,
  getSingularSelector,
  Network,
  RecordSource,
  Store,
} from 'relay-runtime';
import { answer, recordingFetch, request } from './recorded_fetch.mjs';

async function send(params, variables) {
  const response = await recordingFetch(request.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...request.headers },
    body: JSON.stringify({ doc_id: params.id, variables }),
  });
  return response.json();
}

const environment = new Environment({ network: Network.create(send), store: new Store(new RecordSource()) });

function run(artifact, variables) {
  if (artifact.params.operationKind === 'query') return fetchQuery(environment, artifact, variables).toPromise();
  return new Promise((resolve, reject) => {
    commitMutation(environment, { mutation: artifact, variables, onCompleted: resolve, onError: reject });
  });
}

async function artifact(name) {
  return (await import(`${request.folder}/src/__generated__/${name}.graphql.js`)).default;
}

const price = await artifact('CpuPage_price');

// What a component of the CPU and the component of its price inside would be given.
function shown(cpu) {
  return { name: cpu.name, ...environment.lookup(getSingularSelector(price, cpu)).data };
}

await answer(async ({ name, variables = {} }) => {
  try {
    const data = await run(await artifact(name), variables);
    if (data.cpu) return { data: { cpu: shown(data.cpu) } };
    if (data.cpus) return { data: { cpus: { ...data.cpus, nodes: data.cpus.nodes.map(shown) } } };
    return { data };
  } catch (error) {
    return { errors: error.source?.errors ?? [{ message: String(error) }] };
  }
});
