-- Trigger function of cpu_writers_lock: runs once before every statement that writes `cpu`.
--
-- Takes the advisory lock CPU_WRITERS_LOCK (app/db/advisory_locks.py) until the end of the transaction, before any row
-- is locked. So transactions that write CPUs run one after another: update_cpu_statistics() can read all rows of
-- `cpu`, and no transaction waits for the row of `cpu_statistics` while it holds locks on CPUs.

CREATE OR REPLACE FUNCTION lock_cpu_writers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7310002);
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER cpu_writers_lock BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON cpu
    FOR EACH STATEMENT EXECUTE FUNCTION lock_cpu_writers();
