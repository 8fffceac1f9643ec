// Shared by the Mercurius and Apollo servers: the schema of ../../schema.graphql, the SQL statements of the Python
// server, and loaders that batch like its loaders. Each statement reads only what the three documents need.
import { readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import DataLoader from 'dataloader';
import pg from 'pg';

const SEVEN_DAYS = 7 * 24 * 3600 * 1000;
const CURSOR = crc32('cpus:name+,id+');

const read = (path) => readFileSync(new URL(path, import.meta.url), 'utf8');
export const typeDefs = read('../../schema.graphql');
export const documents = JSON.parse(readFileSync(process.env.BENCH_DOCUMENTS, 'utf8')); // SHA-256 of a document -> its text
export const port = Number(process.env.DEALMARK_PORT);

const { builtins, setTypeParser } = pg.types;
setTypeParser(builtins.INT8, Number);
setTypeParser(builtins.NUMERIC, Number);
setTypeParser(builtins.TIMESTAMPTZ, isoTime);

export const pool = new pg.Pool({ max: Number(process.env.DEALMARK_DATABASE_POOL_SIZE) });

/** Rows of a statement that PostgreSQL parses once per connection: it has a name. */
async function rows(name, text, values) {
  return (await pool.query({ name, text, values })).rows;
}

const CPU = `
  id, name, slug, manufacturer, socket, category, cores, threads, tdp_w, release_year, cpu_mark_multi, cpu_mark_single,
  igpu_model, igpu_mark, price_great_shown AS price_great, price_good_shown AS price_good,
  price_fair_shown AS price_fair, price_sample_size, dollar_per_mark_single_shown AS dollar_single,
  dollar_per_mark_multi_shown AS dollar_multi, value_percentile_shown AS value_percentile, value_rating`;
const PAGE = `SELECT ${CPU} FROM cpu ORDER BY name, id LIMIT $1`;
const COUNT = 'SELECT count(*) AS total FROM cpu';
const BY_SLUG = `
  SELECT ${CPU}, price_stddev_shown AS price_stddev, price_high_variance,
    value_percentile_single_shown AS value_percentile_single, CASE
    WHEN figures_computed_at IS NULL THEN NULL
    WHEN EXISTS (SELECT FROM recalculation_failure WHERE cpu_id = cpu.id) THEN figures_computed_at
    ELSE greatest(figures_computed_at, (SELECT full_at FROM recalculation_watermark)) END AS computed_at
  FROM cpu WHERE slug = ANY($1::text[])`;
const LISTING_COUNTS = `
  SELECT cpu_id, count(*) AS listings FROM listing
  WHERE cpu_id = ANY($1::bigint[]) AND status = 'active' GROUP BY cpu_id`;
const LISTINGS = `
  SELECT page.* FROM unnest($1::bigint[]) AS wanted (id), LATERAL (
    SELECT id, cpu_id, title, url, marketplace, seller, condition, price, shipping, currency, adjusted_price, updated_at
    FROM listing WHERE cpu_id = wanted.id AND status = 'active' ORDER BY adjusted_price, id LIMIT $2
  ) AS page`;
const DISTRIBUTION = `
  WITH price AS (
    SELECT cpu_id, adjusted_price AS price,
      min(adjusted_price) OVER w AS lowest, max(adjusted_price) OVER w AS highest
    FROM listing
    WHERE cpu_id = ANY($1::bigint[]) AND status = 'active' AND adjusted_price > 0
    WINDOW w AS (PARTITION BY cpu_id)
  )
  SELECT cpu_id, lowest, highest,
    CASE WHEN highest = lowest THEN 0
         ELSE least(div((price - lowest) * $2::integer, highest - lowest), $2::integer - 1) END::integer AS bin,
    count(*) AS prices
  FROM price GROUP BY cpu_id, lowest, highest, bin`;
// Statistics of the catalogue, aggregated per request: the usual solution without precomputed values.
const STATISTICS = `
  SELECT count(*) AS total, array_agg(DISTINCT manufacturer) AS manufacturers,
    array_agg(DISTINCT socket) FILTER (WHERE socket IS NOT NULL) AS sockets,
    min(cores) AS cores_min, max(cores) AS cores_max, min(tdp_w) AS tdp_min, max(tdp_w) AS tdp_max,
    min(release_year) AS year_min, max(release_year) AS year_max, min(cpu_mark_multi) AS multi_min,
    max(cpu_mark_multi) AS multi_max, min(cpu_mark_single) AS single_min, max(cpu_mark_single) AS single_max,
    (SELECT count(*) FROM listing WHERE status = 'active') AS listings,
    greatest(max(figures_computed_at), (SELECT full_at FROM recalculation_watermark)) AS updated_at
  FROM cpu`;

/** A loader of many values per key; `statement` finds those of many keys, each with its `key`. */
function grouped(key, statement) {
  return new DataLoader(async (keys) => {
    const found = Map.groupBy(await statement(keys), (row) => row[key]);
    return keys.map((each) => found.get(each) ?? []);
  });
}

/** What one request works with. */
export function context() {
  const bySize = new Map();
  const sized = (name, text, size) => {
    const key = `${name} ${size}`;
    if (!bySize.has(key)) bySize.set(key, grouped('cpu_id', (ids) => rows(name, text, [ids, size])));
    return bySize.get(key);
  };
  return {
    cpu: new DataLoader(async (slugs) => {
      const found = new Map((await rows('by slug', BY_SLUG, [slugs])).map((row) => [row.slug, row]));
      return slugs.map((slug) => found.get(slug) ?? null);
    }),
    listingsCount: new DataLoader(async (ids) => {
      const counts = await rows('listing counts', LISTING_COUNTS, [ids]);
      const found = new Map(counts.map((row) => [row.cpu_id, row.listings]));
      return ids.map((id) => found.get(id) ?? 0);
    }),
    listings: (size) => sized('listings', LISTINGS, size),
    distribution: (bins) => sized('distribution', DISTRIBUTION, bins),
  };
}

export const resolvers = {
  Query: {
    cpu: async (_, { slug }, { cpu }) => {
      const row = await cpu.load(slug);
      return row && cpuOf(row);
    },
    cpus: async (_, { first }) => {
      const found = await rows('page', PAGE, [first + 1]);
      const page = found.slice(0, first);
      return {
        nodes: page.map(cpuOf),
        pageInfo: {
          hasNextPage: found.length > first,
          hasPreviousPage: false,
          startCursor: page.length ? cursor(page[0]) : null,
          endCursor: page.length ? cursor(page.at(-1)) : null,
        },
      };
    },
    statistics: async () => statisticsOf((await rows('statistics', STATISTICS, []))[0]),
  },
  CPUConnection: { totalCount: async () => (await rows('count', COUNT, []))[0].total },
  CPU: {
    listingsCount: ({ key }, _, { listingsCount }) => listingsCount.load(key),
    listings: async ({ key }, { first }, { listings }) => ({
      key,
      nodes: (await listings(first).load(key)).map(listingOf),
    }),
    priceDistribution: async ({ key }, { bins }, { distribution }) => histogram(await distribution(bins).load(key), bins),
  },
  ListingConnection: { totalCount: ({ key }, _, { listingsCount }) => listingsCount.load(key) },
};

function cpuOf(row) {
  return {
    key: row.id,
    id: globalId('CPU', row.id),
    name: row.name,
    slug: row.slug,
    manufacturer: row.manufacturer,
    socket: row.socket,
    category: row.category,
    cores: row.cores,
    threads: row.threads,
    tdpW: row.tdp_w,
    releaseYear: row.release_year,
    cpuMarkMulti: row.cpu_mark_multi,
    cpuMarkSingle: row.cpu_mark_single,
    igpuModel: row.igpu_model,
    igpuMark: row.igpu_mark,
    priceTarget: {
      great: row.price_great,
      good: row.price_good,
      fair: row.price_fair,
      stddev: row.price_stddev,
      sampleSize: row.price_sample_size,
      confidence: confidence(row.price_sample_size),
      highVariance: row.price_high_variance,
      fresh: row.computed_at ? Date.now() - Date.parse(row.computed_at) < SEVEN_DAYS : false,
      updatedAt: row.computed_at,
    },
    performanceValue: {
      dollarPerMarkSingle: row.dollar_single,
      dollarPerMarkMulti: row.dollar_multi,
      percentile: row.value_percentile,
      percentileSingle: row.value_percentile_single,
      rating: row.value_rating && row.value_rating.toUpperCase(),
      updatedAt: row.computed_at,
    },
  };
}

function listingOf(row) {
  return {
    id: globalId('Listing', row.id),
    title: row.title,
    url: row.url,
    marketplace: row.marketplace,
    seller: row.seller,
    condition: row.condition.toUpperCase(),
    price: row.price,
    shipping: row.shipping,
    currency: row.currency,
    adjustedPrice: row.adjusted_price,
    updatedAt: row.updated_at,
  };
}

function statisticsOf(row) {
  return {
    total: row.total,
    listings: row.listings,
    manufacturers: row.manufacturers ?? [],
    sockets: row.sockets ?? [],
    cores: { min: row.cores_min, max: row.cores_max },
    tdpW: { min: row.tdp_min, max: row.tdp_max },
    releaseYear: { min: row.year_min, max: row.year_max },
    cpuMarkMulti: { min: row.multi_min, max: row.multi_max },
    cpuMarkSingle: { min: row.single_min, max: row.single_max },
    updatedAt: row.updated_at,
  };
}

function histogram(found, bins) {
  if (!found.length) return [];
  const [{ lowest, highest, prices }] = found;
  if (lowest === highest) return [{ lo: lowest, hi: highest, count: prices }];
  const counts = new Map(found.map((row) => [row.bin, row.prices]));
  const edge = (i) => Math.round((lowest + ((highest - lowest) * i) / bins) * 1e4) / 1e4;
  return Array.from({ length: bins }, (_, i) => ({ lo: edge(i), hi: edge(i + 1), count: counts.get(i) ?? 0 }));
}

function confidence(size) {
  if (size >= 10) return 'HIGH';
  if (size >= 5) return 'MEDIUM';
  return size >= 2 ? 'LOW' : 'INSUFFICIENT';
}

function globalId(type, key) {
  return btoa(`${type}:${key}`);
}

function cursor({ name, id }) {
  return Buffer.from(JSON.stringify([CURSOR, name, id])).toString('base64url');
}

/** "2026-01-31 02:30:00.5+00" as "2026-01-31T02:30:00.500000+00:00": a Date would lose the microseconds. */
function isoTime(text) {
  const [time, fraction] = text.slice(0, -3).replace(' ', 'T').split('.');
  return fraction ? `${time}.${fraction.padEnd(6, '0')}+00:00` : `${time}+00:00`;
}
