-- Trigger function of cpu_insert_counted, cpu_update_counted, cpu_delete_counted and cpu_truncate_counted: runs once
-- after every statement that writes `cpu`, with the rows before (`removed`) and after it (`added`).
--
-- Keeps the row of `cpu_statistics` up to date. Of the columns that the statistics are made of, a recalculation changes
-- only figures_computed_at: then two times are compared, and `cpu` is not read.

CREATE OR REPLACE FUNCTION update_cpu_statistics() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    latest_before timestamptz;
    latest_after timestamptz;
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        PERFORM refresh_cpu_statistics();
    ELSIF EXISTS (
        SELECT manufacturer, socket, cores, tdp_w, release_year, cpu_mark_multi, cpu_mark_single FROM removed
        EXCEPT ALL
        SELECT manufacturer, socket, cores, tdp_w, release_year, cpu_mark_multi, cpu_mark_single FROM added
    ) THEN
        PERFORM refresh_cpu_statistics();
    ELSE
        SELECT max(figures_computed_at) INTO latest_before FROM removed;
        SELECT max(figures_computed_at) INTO latest_after FROM added;
        IF latest_after > latest_before OR latest_before IS NULL THEN
            UPDATE cpu_statistics SET figures_computed_at = latest_after
            WHERE figures_computed_at < latest_after OR figures_computed_at IS NULL AND latest_after IS NOT NULL;
        ELSIF latest_after < latest_before OR latest_after IS NULL THEN
            UPDATE cpu_statistics SET figures_computed_at = (SELECT max(figures_computed_at) FROM cpu);
        END IF;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER cpu_insert_counted AFTER INSERT ON cpu
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION update_cpu_statistics();

CREATE OR REPLACE TRIGGER cpu_update_counted AFTER UPDATE ON cpu
    REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION update_cpu_statistics();

CREATE OR REPLACE TRIGGER cpu_delete_counted AFTER DELETE ON cpu
    REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION update_cpu_statistics();

CREATE OR REPLACE TRIGGER cpu_truncate_counted AFTER TRUNCATE ON cpu
    FOR EACH STATEMENT EXECUTE FUNCTION update_cpu_statistics();
