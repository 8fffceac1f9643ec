-- Return the valuation of an offer: its price without the other components that it includes, and how it was computed.
--
-- Called by the statements that write listings and by revaluations (app/valuation/adjusted_price.py); the result is
-- stored in `listing.valuation` and its `adjusted` in `listing.adjusted_price`. Reads `exchange_rate` and
-- `valuation_rule`. Keys of the result:
--   total       price plus shipping, in the currency of the offer
--   total_usd   the same in USD
--   rate        USD per unit of the currency
--   rate_date   date of the rate; null for USD
--   deductions  [{rule_id, component, read, quantity, unit, unit_value, condition_multiplier, amount}], amounts in USD;
--               `read` is the component as read from the offer, amount = quantity * unit_value * condition_multiplier
--   adjusted    total_usd minus the amounts, rounded to cents; null if the deductions are at least as high as total_usd
-- The result is null if the offer has no price, or if there is no rate of the day on which it was seen or before.

CREATE OR REPLACE FUNCTION listing_valuation(
    price numeric, shipping numeric, currency text, condition text, seen_at timestamptz,
    memory_gb integer, memory_kind text, storage jsonb, graphics text, operating_system text
) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    total numeric := price + coalesce(shipping, 0);
    rate numeric := 1;
    rate_date date;
    deductions jsonb := '[]';
    deducted numeric := 0;
    adjusted numeric;
BEGIN
    IF currency <> 'USD' THEN
        SELECT known.usd, known.date INTO rate, rate_date
        FROM exchange_rate AS known
        WHERE known.currency = listing_valuation.currency
            AND known.date <= (listing_valuation.seen_at AT TIME ZONE 'UTC')::date
        ORDER BY known.date DESC LIMIT 1;
    END IF;
    IF total IS NULL OR rate IS NULL THEN
        RETURN NULL;
    END IF;
    IF coalesce(memory_gb::text, storage::text, graphics, operating_system) IS NOT NULL THEN
        SELECT
            coalesce(sum(amount), 0),
            coalesce(jsonb_agg(jsonb_build_object(
                'rule_id', rule_id, 'component', component, 'read', read, 'quantity', quantity, 'unit', unit,
                'unit_value', unit_value, 'condition_multiplier', multiplier, 'amount', amount
            ) ORDER BY sort_key), '[]')
        INTO deducted, deductions
        FROM (
            SELECT part.*, rule.*, rule.quantity * rule.unit_value * rule.multiplier AS amount
            FROM (
                SELECT 1 AS sort_key, 'memory' AS component, memory_gb AS gb, memory_kind AS kind,
                    concat_ws(' ', memory_gb, 'GB', memory_kind) AS read
                WHERE memory_gb IS NOT NULL
                UNION ALL
                SELECT 1 + number, 'storage', (drive ->> 'size_gb')::integer, drive ->> 'kind',
                    concat_ws(' ', drive ->> 'size_gb', 'GB', drive ->> 'kind')
                FROM jsonb_array_elements(storage) WITH ORDINALITY AS drives (drive, number)
                UNION ALL
                SELECT 1000, 'graphics', NULL, graphics, graphics WHERE graphics IS NOT NULL
                UNION ALL
                SELECT 1001, 'operating_system', NULL, operating_system, operating_system
                WHERE operating_system IS NOT NULL
            ) AS part
            CROSS JOIN LATERAL (
                SELECT
                    r.id AS rule_id, r.unit, r.value_usd AS unit_value,
                    CASE r.unit WHEN 'gb' THEN gb ELSE 1 END AS quantity,
                    coalesce((r.condition_multipliers ->> listing_valuation.condition)::numeric, 1) AS multiplier
                FROM valuation_rule AS r
                WHERE r.component = part.component AND r.valid_from <= statement_timestamp()
                    AND (r.kind IS NULL OR strpos(' ' || lower(part.kind) || ' ', ' ' || lower(r.kind) || ' ') > 0)
                -- The rule with the longest kind is the most specific one; of those, the newest applies.
                ORDER BY length(r.kind) DESC NULLS LAST, r.valid_from DESC, r.id DESC LIMIT 1
            ) AS rule
        ) AS deduction;
    END IF;
    adjusted := round(total * rate - deducted, 2);
    RETURN jsonb_build_object(
        'total', total, 'total_usd', total * rate, 'rate', rate, 'rate_date', rate_date, 'deductions', deductions,
        'adjusted', CASE WHEN adjusted > 0 OR deducted = 0 THEN adjusted END);
END $$;
