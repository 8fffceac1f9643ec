-- Trigger function of listing_update_repriced: runs once after every UPDATE of `listing`, with the rows before
-- (`removed`) and after it (`added`).
--
-- Adds an event to `outbox` for each price that changed by at least 1.00 or by at least 2 % of the price before, and
-- notifies the topic `outbox` (app/events/outbox.py). If the price before was 0, only the limit of 1.00 applies. A
-- difference needs two prices in one currency: no event is added if a listing gets its first price, loses its price, or
-- changes its currency.

CREATE OR REPLACE FUNCTION record_price_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox (listing_id, cpu_id, price_before, price_after, shipping, currency)
    SELECT a.id, a.cpu_id, r.price, a.price, a.shipping, a.currency
    FROM removed AS r JOIN added AS a USING (id)
    WHERE a.price <> r.price AND a.currency = r.currency
        AND (abs(a.price - r.price) >= 1 OR r.price > 0 AND abs(a.price - r.price) * 50 >= r.price);
    IF FOUND THEN
        PERFORM pg_notify('dealmark', '{"topics": ["outbox"]}');
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER listing_update_repriced AFTER UPDATE ON listing
    REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION record_price_changes();
