-- Functions that PostGraphile needs in addition to the tables: one for each field that is not a column.
CREATE SCHEMA shop;

CREATE FUNCTION shop.cpu_listings_count(c public.cpu) RETURNS integer LANGUAGE sql STABLE AS
$$ SELECT count(*)::integer FROM public.listing WHERE cpu_id = c.id AND status = 'active' $$;

CREATE FUNCTION shop.cpu_confidence(c public.cpu) RETURNS text LANGUAGE sql STABLE AS
$$
    SELECT CASE WHEN c.price_sample_size >= 10 THEN 'high'
                WHEN c.price_sample_size >= 5 THEN 'medium'
                WHEN c.price_sample_size >= 2 THEN 'low' ELSE 'insufficient' END
$$;

CREATE FUNCTION shop.cpu_dollar_single(c public.cpu) RETURNS double precision LANGUAGE sql STABLE AS
$$ SELECT c.dollar_per_mark_single_shown $$;

CREATE FUNCTION shop.cpu_dollar_multi(c public.cpu) RETURNS double precision LANGUAGE sql STABLE AS
$$ SELECT c.dollar_per_mark_multi_shown $$;

CREATE FUNCTION shop.cpu_computed_at(c public.cpu) RETURNS timestamptz LANGUAGE sql STABLE AS
$$
    SELECT CASE WHEN c.figures_computed_at IS NULL THEN NULL
                WHEN EXISTS (SELECT FROM public.recalculation_failure WHERE cpu_id = c.id) THEN c.figures_computed_at
                ELSE greatest(c.figures_computed_at, (SELECT full_at FROM public.recalculation_watermark)) END
$$;

CREATE FUNCTION shop.cpu_fresh(c public.cpu) RETURNS boolean LANGUAGE sql STABLE AS
$$ SELECT coalesce(shop.cpu_computed_at(c) > now() - interval '7 days', false) $$;

CREATE FUNCTION shop.cpu_offers(c public.cpu) RETURNS SETOF public.listing LANGUAGE sql STABLE ROWS 10 AS
$$ SELECT * FROM public.listing WHERE cpu_id = c.id AND status = 'active' ORDER BY adjusted_price, id $$;

CREATE TYPE shop.price_bin AS (lo numeric, hi numeric, count integer);

CREATE FUNCTION shop.cpu_price_distribution(c public.cpu, bins integer) RETURNS SETOF shop.price_bin
LANGUAGE sql STABLE AS
$$
    WITH price AS (
        SELECT adjusted_price AS price, min(adjusted_price) OVER () AS lowest, max(adjusted_price) OVER () AS highest
        FROM public.listing WHERE cpu_id = c.id AND status = 'active' AND adjusted_price > 0
    ), binned AS (
        SELECT lowest, highest, CASE WHEN highest = lowest THEN 0
            ELSE least(div((price - lowest) * bins, highest - lowest), bins - 1) END::integer AS bin
        FROM price
    ), range AS (
        SELECT lowest, highest, CASE WHEN lowest = highest THEN 1 ELSE bins END AS bins
        FROM price LIMIT 1
    )
    SELECT round(lowest + (highest - lowest) * i / range.bins, 4),
           round(lowest + (highest - lowest) * (i + 1) / range.bins, 4),
           (SELECT count(*)::integer FROM binned WHERE bin = i)
    FROM range, generate_series(0, range.bins - 1) AS i ORDER BY i
$$;

CREATE TYPE shop.statistics AS (
    total integer, listings integer, manufacturers text[], sockets text[], cores_min integer, cores_max integer,
    tdp_min integer, tdp_max integer, year_min integer, year_max integer, multi_min integer, multi_max integer,
    single_min integer, single_max integer, updated_at timestamptz
);

CREATE FUNCTION shop.statistics() RETURNS shop.statistics LANGUAGE sql STABLE AS
$$
    SELECT count(*)::integer, (SELECT count(*)::integer FROM public.listing WHERE status = 'active'),
        array_agg(DISTINCT manufacturer), array_agg(DISTINCT socket) FILTER (WHERE socket IS NOT NULL),
        min(cores), max(cores), min(tdp_w), max(tdp_w), min(release_year), max(release_year),
        min(cpu_mark_multi), max(cpu_mark_multi), min(cpu_mark_single), max(cpu_mark_single),
        greatest(max(figures_computed_at), (SELECT full_at FROM public.recalculation_watermark))
    FROM public.cpu
$$;
