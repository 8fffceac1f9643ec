// Apollo Server on Fastify, which is faster than on Express and than the standalone server. Documents are sent by hash.
import { ApolloServer } from '@apollo/server';
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled';
import { fastifyApolloHandler } from '@as-integrations/fastify';
import Fastify from 'fastify';
import { context, documents, port, resolvers, typeDefs } from './catalogue.mjs';

const apollo = new ApolloServer({
  typeDefs,
  resolvers,
  csrfPrevention: false,
  introspection: false,
  // Cache hints would add a hook to every field.
  plugins: [
    ApolloServerPluginCacheControlDisabled(),
    ApolloServerPluginLandingPageDisabled(),
    ApolloServerPluginUsageReportingDisabled(),
  ],
});
await apollo.start();
const app = Fastify();
const handler = fastifyApolloHandler(apollo, { context: async () => context() });
app.get('/graphql', handler);
app.post('/graphql', handler);
// Registers the documents as automatic persisted queries: after that, requests contain only the hash.
for (const [sha256Hash, query] of Object.entries(documents)) {
  const extensions = { persistedQuery: { version: 1, sha256Hash } };
  await app.inject({ method: 'POST', url: '/graphql', payload: { query, extensions } });
}
await app.listen({ port, host: '127.0.0.1' });
