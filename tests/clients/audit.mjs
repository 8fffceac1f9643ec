// The audit suite of GraphQL over HTTP against the server at the given URL; prints [{name, status, reason}].
import { auditServer } from 'graphql-http';

const [url] = process.argv.slice(2);
const results = await auditServer({ url });
console.log(JSON.stringify(results.map(({ id, name, status, reason }) => ({ id, name, status, reason }))));
