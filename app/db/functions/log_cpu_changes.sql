-- Trigger function of cpu_insert_logged, cpu_update_logged, cpu_delete_logged and cpu_truncate_logged: runs once after
-- every statement that writes `cpu`, with the rows before (`removed`) and after it (`added`).
--
-- Adds the CPUs that are new, deleted, or have other benchmark marks to `data_change_log`, and notifies the topic
-- `change_log`: they change the ranks of the other CPUs, too. After TRUNCATE no CPU is left to log, and a row of
-- cpu_id 0 stands for the change.

CREATE OR REPLACE FUNCTION log_cpu_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO data_change_log (cpu_id) SELECT id FROM added;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO data_change_log (cpu_id) SELECT id FROM removed;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO data_change_log (cpu_id)
        SELECT id
        FROM (
            SELECT id, cpu_mark_multi, cpu_mark_single FROM added
            EXCEPT
            SELECT id, cpu_mark_multi, cpu_mark_single FROM removed
        ) AS changed;
    ELSE
        INSERT INTO data_change_log (cpu_id) VALUES (0);
    END IF;
    IF FOUND THEN
        PERFORM pg_notify('dealmark', '{"topics": ["change_log"]}');
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER cpu_insert_logged AFTER INSERT ON cpu
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION log_cpu_changes();

CREATE OR REPLACE TRIGGER cpu_update_logged AFTER UPDATE ON cpu
    REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION log_cpu_changes();

CREATE OR REPLACE TRIGGER cpu_delete_logged AFTER DELETE ON cpu
    REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION log_cpu_changes();

CREATE OR REPLACE TRIGGER cpu_truncate_logged AFTER TRUNCATE ON cpu
    FOR EACH STATEMENT EXECUTE FUNCTION log_cpu_changes();
