// PostGraphile with the tables, and functions in the schema `shop` for the fields that are not columns.
import { createServer } from 'node:http';
import pg from 'pg';
import { postgraphile } from 'postgraphile';
import { makePgService } from 'postgraphile/adaptors/pg';
import { grafserv } from 'postgraphile/grafserv/node';
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber';

const pool = new pg.Pool({ max: Number(process.env.DEALMARK_DATABASE_POOL_SIZE) });
const server = createServer();
const service = postgraphile({
  extends: [PostGraphileAmberPreset],
  pgServices: [makePgService({ pool, schemas: ['public', 'shop'], pubsub: false })],
  grafast: { explain: false },
  grafserv: { graphiql: false, graphqlOverGET: true, watch: false, websockets: false },
}).createServ(grafserv);
await service.addTo(server);
server.listen(Number(process.env.DEALMARK_PORT), '127.0.0.1');
