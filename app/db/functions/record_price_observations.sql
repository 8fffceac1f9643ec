-- Trigger function of listing_insert_observed and listing_update_observed: runs once after every INSERT and UPDATE of
-- `listing`, with the rows before (`removed`) and after it (`added`).
--
-- Appends to the price history `price_observation`: one row for a new listing, and one for each change of price,
-- shipping, currency, adjusted price or state (active, missing, gone). A listing has one observation per moment, and a
-- later one replaces it.
--
-- The time of an observation is
-- 1. if nothing changed from which the adjusted price follows, so that only rules or rates are different: the effective
--    time, but not before the listing was seen;
-- 2. if the listing was seen again, or dealmark.effective_at is 'seen': the time at which it was seen;
-- 3. otherwise the effective time.
-- The effective time is the setting dealmark.effective_at of the transaction (app/market/imports/merge_sql.py), or now
-- if it is not set. The value 'seen' means that the statement corrects an observation of the same time.

CREATE OR REPLACE FUNCTION record_price_observations() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    setting text := coalesce(current_setting('dealmark.effective_at', true), '');
    effective_at timestamptz := CASE WHEN setting IN ('', 'seen') THEN now() ELSE setting::timestamptz END;
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO price_observation (listing_id, seen_at, price, shipping, currency, adjusted_price, state)
        SELECT
            id, seen_at, price, shipping, currency, adjusted_price,
            CASE WHEN status <> 'active' THEN 'gone' WHEN missing_since IS NOT NULL THEN 'missing' ELSE 'active' END
        FROM added;
    ELSE
        INSERT INTO price_observation (listing_id, seen_at, price, shipping, currency, adjusted_price, state)
        SELECT
            a.id,
            CASE
                WHEN (
                    a.price, a.shipping, a.currency, a.state, a.condition, a.seen_at, a.memory_gb, a.memory_kind,
                    a.storage, a.graphics, a.operating_system, a.quantity, a.flags
                ) IS NOT DISTINCT FROM (
                    r.price, r.shipping, r.currency, r.state, r.condition, r.seen_at, r.memory_gb, r.memory_kind,
                    r.storage, r.graphics, r.operating_system, r.quantity, r.flags
                ) THEN greatest(effective_at, a.seen_at)
                WHEN a.seen_at > r.seen_at OR setting = 'seen' THEN a.seen_at
                ELSE effective_at
            END,
            a.price, a.shipping, a.currency, a.adjusted_price, a.state
        FROM (
            SELECT *, CASE
                WHEN status <> 'active' THEN 'gone' WHEN missing_since IS NOT NULL THEN 'missing' ELSE 'active'
            END AS state
            FROM added
        ) AS a JOIN (
            SELECT *, CASE
                WHEN status <> 'active' THEN 'gone' WHEN missing_since IS NOT NULL THEN 'missing' ELSE 'active'
            END AS state
            FROM removed
        ) AS r USING (id)
        WHERE (a.price, a.shipping, a.currency, a.adjusted_price, a.state)
            IS DISTINCT FROM (r.price, r.shipping, r.currency, r.adjusted_price, r.state)
        ON CONFLICT (listing_id, seen_at) DO UPDATE SET
            price = excluded.price, shipping = excluded.shipping, currency = excluded.currency,
            adjusted_price = excluded.adjusted_price, state = excluded.state;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER listing_insert_observed AFTER INSERT ON listing
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION record_price_observations();

CREATE OR REPLACE TRIGGER listing_update_observed AFTER UPDATE ON listing
    REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION record_price_observations();
