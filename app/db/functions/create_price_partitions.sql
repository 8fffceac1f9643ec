-- Create the missing partitions of `price_observation` for the months of these dates; return how many were created.
--
-- Called by app/market/price_partitions.py, and by the migration that partitioned the table. Rows of such a month that
-- are in the default partition `price_observation_rest` move to the new partition.
--
-- A partition is created as a table and then attached, because that blocks readers of `price_observation` for a moment
-- only, unlike CREATE TABLE ... PARTITION OF. The locks are always taken in the same order: the table
-- before its default partition.

CREATE OR REPLACE FUNCTION create_price_partitions(months date[]) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    month date;
    created integer := 0;
    name text;
    lower_bound timestamptz;
    upper_bound timestamptz;
BEGIN
    FOR month IN SELECT DISTINCT date_trunc('month', day)::date FROM unnest(months) AS day ORDER BY 1 LOOP
        name := 'price_observation_' || to_char(month, 'YYYY_MM');
        CONTINUE WHEN to_regclass('partitions.' || name) IS NOT NULL;
        IF created = 0 THEN
            LOCK TABLE ONLY price_observation IN SHARE UPDATE EXCLUSIVE MODE;
            -- Another transaction may have created it while this one waited for the lock.
            CONTINUE WHEN to_regclass('partitions.' || name) IS NOT NULL;
            LOCK TABLE partitions.price_observation_rest IN ACCESS EXCLUSIVE MODE;
        END IF;
        lower_bound := month::timestamp AT TIME ZONE 'UTC';
        upper_bound := (month + interval '1 month') AT TIME ZONE 'UTC';
        EXECUTE format('CREATE TABLE partitions.%I (LIKE price_observation INCLUDING ALL)', name);
        EXECUTE format(
            'WITH moved AS (DELETE FROM partitions.price_observation_rest WHERE seen_at >= %L AND seen_at < %L '
            'RETURNING *) INSERT INTO partitions.%I SELECT * FROM moved', lower_bound, upper_bound, name);
        EXECUTE format(
            'ALTER TABLE price_observation ATTACH PARTITION partitions.%I FOR VALUES FROM (%L) TO (%L)',
            name, lower_bound, upper_bound);
        created := created + 1;
    END LOOP;
    RETURN created;
END $$;
