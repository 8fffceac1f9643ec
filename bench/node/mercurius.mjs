// Mercurius with its JIT, on Fastify. Documents are sent by hash.
import Fastify from 'fastify';
import mercurius from 'mercurius';
import { context, documents, port, resolvers, typeDefs } from './catalogue.mjs';

const app = Fastify();
app.register(mercurius, {
  schema: typeDefs,
  resolvers,
  context,
  jit: 1,
  persistedQueryProvider: mercurius.persistedQueryDefaults.preparedOnly(documents),
});
await app.listen({ port, host: '127.0.0.1' });
