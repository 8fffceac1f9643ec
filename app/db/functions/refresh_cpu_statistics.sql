-- Recompute the single row of `cpu_statistics` from all rows of `cpu`.
--
-- Called by update_cpu_statistics() after statements that change what the statistics are made of, by the repair of the
-- verification (app/analytics/statistics_sql.py), and by the migration that created the table.

CREATE OR REPLACE FUNCTION refresh_cpu_statistics() RETURNS void LANGUAGE sql AS $$
    INSERT INTO cpu_statistics (
        single,
        total, manufacturers, sockets, cores_min, cores_max, tdp_w_min, tdp_w_max, release_year_min, release_year_max,
        cpu_mark_multi_min, cpu_mark_multi_max, cpu_mark_single_min, cpu_mark_single_max, figures_computed_at
    )
    SELECT
        true,
        count(*),
        coalesce(array_agg(DISTINCT manufacturer), '{}'),
        coalesce(array_agg(DISTINCT socket) FILTER (WHERE socket IS NOT NULL), '{}'),
        min(cores), max(cores), min(tdp_w), max(tdp_w), min(release_year), max(release_year), min(cpu_mark_multi),
        max(cpu_mark_multi), min(cpu_mark_single), max(cpu_mark_single),
        max(figures_computed_at)
    FROM cpu
    ON CONFLICT (single) DO UPDATE SET
        total = excluded.total, manufacturers = excluded.manufacturers, sockets = excluded.sockets, cores_min =
        excluded.cores_min, cores_max = excluded.cores_max, tdp_w_min = excluded.tdp_w_min, tdp_w_max =
        excluded.tdp_w_max, release_year_min = excluded.release_year_min, release_year_max =
        excluded.release_year_max, cpu_mark_multi_min = excluded.cpu_mark_multi_min, cpu_mark_multi_max =
        excluded.cpu_mark_multi_max, cpu_mark_single_min = excluded.cpu_mark_single_min, cpu_mark_single_max =
        excluded.cpu_mark_single_max, figures_computed_at = excluded.figures_computed_at
$$;
