-- Trigger function of listing_insert_counted, listing_update_counted, listing_delete_counted and
-- listing_truncate_counted: runs once after every statement that writes `listing`, with the rows before (`removed`) and
-- after it (`added`).
--
-- Keeps the number of active listings, which is the sum over the rows of `listing_statistics`. Many transactions write
-- listings at the same time and must not wait for each other here. So a transaction adds to a row that no other
-- transaction has locked, or inserts a row if all are locked, and stays with this row: the setting
-- dealmark.listing_shard holds its key until the end of the transaction. There are never more rows than there were
-- concurrent transactions.

CREATE OR REPLACE FUNCTION update_listing_statistics() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    change bigint := 0;
    own_shard integer := nullif(current_setting('dealmark.listing_shard', true), '');
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        UPDATE listing_statistics SET active = 0;
        RETURN NULL;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        change := change + (SELECT count(*) FROM added WHERE status = 'active');
    END IF;
    IF TG_OP <> 'INSERT' THEN
        change := change - (SELECT count(*) FROM removed WHERE status = 'active');
    END IF;
    IF change = 0 THEN
        RETURN NULL;
    END IF;
    IF own_shard IS NULL THEN
        SELECT shard INTO own_shard FROM listing_statistics ORDER BY shard LIMIT 1 FOR UPDATE SKIP LOCKED;
        IF own_shard IS NULL THEN
            INSERT INTO listing_statistics (active) VALUES (0) RETURNING shard INTO own_shard;
        END IF;
        PERFORM set_config('dealmark.listing_shard', own_shard::text, true);
    END IF;
    UPDATE listing_statistics SET active = active + change WHERE shard = own_shard;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER listing_insert_counted AFTER INSERT ON listing
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION update_listing_statistics();

CREATE OR REPLACE TRIGGER listing_update_counted AFTER UPDATE ON listing
    REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION update_listing_statistics();

CREATE OR REPLACE TRIGGER listing_delete_counted AFTER DELETE ON listing
    REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION update_listing_statistics();

CREATE OR REPLACE TRIGGER listing_truncate_counted AFTER TRUNCATE ON listing
    FOR EACH STATEMENT EXECUTE FUNCTION update_listing_statistics();
