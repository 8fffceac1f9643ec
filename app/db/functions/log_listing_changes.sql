-- Trigger function of listing_insert_logged, listing_update_logged, listing_delete_logged and listing_truncate_logged:
-- runs once after every statement that writes `listing`, with the rows before (`removed`) and after it (`added`).
--
-- Adds the CPUs whose active prices the statement changed to `data_change_log`, and notifies the topic `change_log`, so
-- that their figures are recalculated (app/analytics/recalculation.py). PostgreSQL sends equal notifications of one
-- transaction once. After TRUNCATE the old rows are unknown, so every CPU is logged.

CREATE OR REPLACE FUNCTION log_listing_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO data_change_log (cpu_id)
        SELECT DISTINCT cpu_id FROM added WHERE cpu_id IS NOT NULL AND status = 'active' AND adjusted_price > 0;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO data_change_log (cpu_id)
        SELECT DISTINCT cpu_id FROM removed WHERE cpu_id IS NOT NULL AND status = 'active' AND adjusted_price > 0;
    ELSIF TG_OP = 'UPDATE' THEN
        -- The active prices of a CPU, in any order, are compared by their number and the sum of their 64-bit hashes. To
        -- compare the prices themselves takes four times as long, up to a tenth of a large update.
        INSERT INTO data_change_log (cpu_id)
        SELECT cpu_id
        FROM (
            SELECT cpu_id, count(*) AS n, sum(hash_numeric_extended(adjusted_price, 0)) AS prices
            FROM added WHERE cpu_id IS NOT NULL AND status = 'active' AND adjusted_price > 0 GROUP BY cpu_id
        ) AS a FULL JOIN (
            SELECT cpu_id, count(*) AS n, sum(hash_numeric_extended(adjusted_price, 0)) AS prices
            FROM removed WHERE cpu_id IS NOT NULL AND status = 'active' AND adjusted_price > 0 GROUP BY cpu_id
        ) AS r USING (cpu_id)
        WHERE (a.n, a.prices) IS DISTINCT FROM (r.n, r.prices);
    ELSE
        INSERT INTO data_change_log (cpu_id) SELECT id FROM cpu;
    END IF;
    IF FOUND THEN
        PERFORM pg_notify('dealmark', '{"topics": ["change_log"]}');
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER listing_insert_logged AFTER INSERT ON listing
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION log_listing_changes();

CREATE OR REPLACE TRIGGER listing_update_logged AFTER UPDATE ON listing
    REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION log_listing_changes();

CREATE OR REPLACE TRIGGER listing_delete_logged AFTER DELETE ON listing
    REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION log_listing_changes();

CREATE OR REPLACE TRIGGER listing_truncate_logged AFTER TRUNCATE ON listing
    FOR EACH STATEMENT EXECUTE FUNCTION log_listing_changes();
