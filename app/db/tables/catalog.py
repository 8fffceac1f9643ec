"""CPUs and their figures."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    Double,
    Identity,
    Index,
    Integer,
    Numeric,
    Table,
    Text,
    func,
    text,
)

from app.db.tables.base import Timestamp, metadata, not_negative, one_of


class ValueRating(StrEnum):
    """Rating of price/performance by percentile: up to 25, up to 50, up to 75, above."""

    EXCELLENT = "excellent"
    GOOD = "good"
    FAIR = "fair"
    POOR = "poor"


# NUMERIC figure -> expression, rounded half up, of its display value as float, in the generated column
# `<figure>_shown`. They are stored, because computing them takes a fifth of the time in which PostgreSQL reads a page
# of CPUs.
DISPLAY_EXPRESSIONS = {
    **{name: name for name in ("price_great", "price_good", "price_fair", "price_stddev")},
    **{name: name for name in ("value_percentile", "value_percentile_single")},
    **{name: f"round({name}, 4)" for name in ("dollar_per_mark_multi", "dollar_per_mark_single")},
}

cpu = Table(
    "cpu",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("slug", Text, nullable=False, unique=True),
    Column("manufacturer", Text, nullable=False),
    Column("socket", Text),
    Column("category", Text),
    Column("cores", Integer),
    Column("threads", Integer),
    Column("tdp_w", Integer),
    Column("release_year", Integer),
    Column("cpu_mark_multi", Integer),
    Column("cpu_mark_single", Integer),
    Column("igpu_model", Text),
    Column("igpu_mark", Integer),
    Column("created_at", Timestamp, nullable=False, server_default=func.now()),
    Column("updated_at", Timestamp, nullable=False, server_default=func.now()),
    # Letters and digits only: a search for "i5 8500t" or "i58500T" finds "Intel Core i5-8500T".
    Column("search_text", Text, Computed("lower(regexp_replace(name, '[^[:alnum:]]+', '', 'g'))", persisted=True)),
    # Figures, written only by recalculations. Dollars per mark are not rounded, because ranks compare exact values.
    Column("price_great", Numeric(16, 2)),
    Column("price_good", Numeric(16, 2)),
    Column("price_fair", Numeric(16, 2)),
    Column("price_stddev", Numeric(16, 2)),
    Column("price_sample_size", Integer, nullable=False, server_default=text("0")),
    Column("price_high_variance", Boolean, nullable=False, server_default=text("false")),
    Column("dollar_per_mark_multi", Numeric(44, 30)),
    Column("dollar_per_mark_single", Numeric(44, 30)),
    Column("value_percentile", Numeric(4, 1)),
    Column("value_percentile_single", Numeric(4, 1)),
    Column("value_rating", Text),
    Column("figures_computed_at", Timestamp),
    *(
        Column(f"{name}_shown", Double, Computed(f"({value})::double precision", persisted=True))
        for name, value in DISPLAY_EXPRESSIONS.items()
    ),
    one_of("value_rating", ValueRating),
    *(not_negative(c) for c in ("cores", "threads", "tdp_w", "cpu_mark_multi", "cpu_mark_single", "igpu_mark")),
    # The figures change every night and are in no index: free space in each page makes these updates HOT.
    postgresql_with={"fillfactor": "70"},
)
Index("cpu_name_key", func.lower(cpu.c.name), unique=True)
Index("cpu_name_id_idx", cpu.c.name, cpu.c.id)
