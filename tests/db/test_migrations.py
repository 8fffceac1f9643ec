"""The schema of a database: equal to the tables of the code, there and back with data in it, and clear refusals."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.command import check
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, inspect, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.core.errors import StartupError
from app.db import advisory_locks, schema_version
from app.db.tables import metadata
from tests.support.databases import database_url_in

T = TypeVar("T")
NOW = datetime(2026, 3, 1, tzinfo=UTC)
EARLIER = datetime(2025, 12, 31, 23, 59, tzinfo=UTC)

# A row of every table, in an order that the foreign keys allow.
ROWS: dict[str, dict[str, Any]] = {
    "cpu": {"name": "AMD One", "slug": "amd-one", "manufacturer": "AMD"},
    "listing": {
        "cpu_id": 1,
        "title": "AMD One, boxed",
        "marketplace": "ebay",
        "condition": "used",
        "status": "active",
        "price": 10,
        "offer_key": b"key",
        "seen_at": NOW,
    },
    "price_observation": {"listing_id": 1, "seen_at": EARLIER, "price": 10, "currency": "USD"},
    "figure_history": {"cpu_id": 1, "computed_at": NOW, "price_sample_size": 2},
    "recalculation_watermark": {"full_at": NOW},
    "recalculation_failure": {"cpu_id": 1, "error": "reason"},
    "data_version": {"domain": "catalog", "version": 3},
    "document": {"id": "x-one", "text": "{ __typename }"},
    "document_use": {"document_id": "x-one", "first_used_at": NOW, "last_used_at": NOW, "hits": 1},
    "document_client": {"document_id": "x-one", "client_name": "web", "client_version": "1"},
    "import_session": {"source": "url", "name": "http://a.example/", "priority": 1, "requested_by": "me", "total": 1},
    "import_fetch": {"url": "http://a.example/", "host": "a.example", "priority": 1},
    "import_row": {"session_id": 1, "position": 1, "url": "http://a.example/", "fetch_id": 1},
    "import_host": {"host": "a.example"},
    "import_payload": {"fetch_id": 1, "content": b"x", "bytes": 1, "truncated": False, "content_type": "text/html"},
    "job": {"kind": "recalculate_metrics", "requested_by": "tester"},
    "last_verification": {
        "verified_at": NOW,
        "total": 2,
        "consistent": 2,
        "left_over": 0,
        "fixed": False,
        "differences": [],
    },
    "outbox": {"listing_id": 1, "price_before": 9, "price_after": 10, "currency": "USD"},
    "price_change": {"listing_id": 1, "price_before": 8, "price_after": 9, "currency": "USD", "at": NOW},
    "price_change_horizon": {"position": 0},
    "webhook": {"name": "receiver", "position": 0},
    "exchange_rate": {"currency": "EUR", "date": NOW.date(), "usd": 1.1},
    "valuation_rule": {"component": "memory", "unit": "gb", "value_usd": 2},
}

# Tables that triggers write when others are written.
KEPT = {"cpu_statistics", "listing_statistics", "data_change_log"}

# What alembic's comparison does not see: columns with defaults, constraints with their CHECKs, indexes, storage.
CATALOG = """
    SELECT c.relname || '.' || a.attname AS name,
        concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated,
            pg_get_expr(d.adbin, d.adrelid)) AS definition
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL
    SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL
    SELECT relname, array_to_string(reloptions, ' ')
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
"""

# What the tables of the code do not say either: triggers and their functions are made by migrations alone.
ROUTINES = """
    SELECT tgrelid::regclass || '.' || tgname AS name, pg_get_triggerdef(oid) AS definition
    FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL
    SELECT proname, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
"""


def on(url: str, work: Callable[[Connection], T]) -> T:
    """Runs `work(connection)` in a transaction."""

    async def run() -> T:
        engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"), poolclass=NullPool)
        async with engine.begin() as connection:
            return await connection.run_sync(work)

    return asyncio.run(run())


def run(url: str, statement: str) -> Any:
    """Runs one statement; the first column of its first row, if it has any."""

    def execute(connection: Connection) -> Any:
        result = connection.execute(text(statement))
        return result.scalar() if result.returns_rows else None

    return on(url, execute)


def populate(connection: Connection) -> None:
    """A row of every table that there is at this revision."""
    there = tables(connection)
    for name, row in ((name, row) for name, row in ROWS.items() if name in there):
        connection.execute(insert(metadata.tables[name]), row)


def tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names()) - {"alembic_version"}


def catalog(connection: Connection) -> dict[str, str]:
    return {row.name: row.definition for row in connection.execute(text(CATALOG)) if "alembic_version" not in row.name}


def routines(connection: Connection) -> dict[str, str]:
    return {row.name: row.definition for row in connection.execute(text(ROUTINES))}


def test_alembic_finds_no_difference(database_url: str) -> None:
    on(database_url, lambda connection: check(schema_version.alembic_config(connection)))
    options = {"compare_type": True, "compare_server_default": True}
    assert on(database_url, lambda c: compare_metadata(MigrationContext.configure(c, opts=options), metadata)) == []


def test_alembic_would_find_one(database_url: str) -> None:
    run(database_url, "ALTER TABLE cpu DROP COLUMN socket")
    differences = on(database_url, lambda c: compare_metadata(MigrationContext.configure(c), metadata))
    assert [difference[:1] for difference in differences] == [("add_column",)]


def test_migrations_make_what_the_tables_say(database_url: str, empty_url: str) -> None:
    on(empty_url, metadata.create_all)
    assert on(database_url, catalog) == on(empty_url, catalog)


def test_up_down_up_with_rows_in_every_table(database_url: str) -> None:
    assert set(ROWS) | KEPT == set(metadata.tables), "a table has no row here"
    on(database_url, populate)
    assert all(run(database_url, f"SELECT count(*) FROM {table}") for table in KEPT)
    before = on(database_url, catalog), on(database_url, routines)
    revisions = [
        each.revision for each in ScriptDirectory.from_config(schema_version.alembic_config()).walk_revisions()
    ]
    for revision in [*revisions[1:], "base"]:
        schema_version.downgrade(database_url, revision)
        found = on(database_url, schema_version.current_revision)
        assert found == (None if revision == "base" else revision)
    assert on(database_url, tables) == set()
    assert on(database_url, routines) == {}
    for revision in [*reversed(revisions), "head"]:
        schema_version.upgrade(database_url, revision)
    assert on(database_url, schema_version.current_revision) == schema_version.head_revision()
    assert (on(database_url, catalog), on(database_url, routines)) == before
    on(database_url, populate)


def test_statistics_of_what_was_there_before_they_were_kept(empty_url: str) -> None:
    schema_version.upgrade(empty_url, "0002")
    on(empty_url, populate)
    listing = {**ROWS["listing"], "status": "ended", "offer_key": b"other"}
    on(empty_url, lambda connection: connection.execute(insert(metadata.tables["listing"]), listing))
    schema_version.upgrade(empty_url)
    kept = "SELECT (total, manufacturers, cores_min, (SELECT sum(active) FROM listing_statistics))::text"
    assert run(empty_url, f"{kept} FROM cpu_statistics") == "(1,{AMD},,1)"


OBSERVED = """
    SELECT string_agg(
        concat_ws(' ', listing_id, tableoid::regclass, price, adjusted_price, state), ', ' ORDER BY seen_at)
    FROM price_observation
"""


def test_prices_that_were_there_before_move_to_their_months_and_back(empty_url: str) -> None:
    schema_version.upgrade(empty_url, "0004")
    on(empty_url, populate)
    ended = {**ROWS["listing"], "status": "ended", "offer_key": b"other"}
    parts = {**ROWS["listing"], "condition": "for_parts", "offer_key": b"parts"}
    on(empty_url, lambda connection: connection.execute(insert(metadata.tables["listing"]), [ended, parts]))
    run(
        empty_url,
        """INSERT INTO price_observation VALUES
            (2, '2023-07-05', 20, 1.50, 'USD'), (2, '2026-03-01', 21, NULL, 'USD'),
            (3, '2026-03-01 00:01Z', 5, 1, 'USD'), (1, '1970-01-01', 7, NULL, 'EUR')""",
    )
    before = run(empty_url, "SELECT json_agg(p ORDER BY listing_id, seen_at)::text FROM price_observation AS p")
    schema_version.upgrade(empty_url, "0005")
    month = "partitions.price_observation"
    assert run(empty_url, OBSERVED) == (
        f"1 {month}_rest 7.00 active, 2 {month}_2023_07 20.00 21.50 active, 1 {month}_2025_12 10.00 10.00 active, "
        f"2 {month}_2026_03 21.00 21.00 gone, 3 {month}_2026_03 5.00 active"
    )
    run(empty_url, "UPDATE listing SET status = 'sold', price = NULL WHERE id = 1")
    assert run(empty_url, "SELECT count(*) FROM price_observation") == 6
    schema_version.downgrade(empty_url, "0004")
    told = "SELECT json_agg(p ORDER BY listing_id, seen_at)::text FROM price_observation AS p"
    assert run(empty_url, told) == before, "that one had gone is forgotten"
    assert run(empty_url, "SELECT count(*) FROM pg_namespace WHERE nspname = 'partitions'") == 0


def test_what_was_valued_anew_before_that_was_remembered(empty_url: str) -> None:
    """Of offers that can be bought and are not plain; what they count for stands from the migration on."""
    schema_version.upgrade(empty_url, "0009")
    rows = [
        {**ROWS["listing"], "currency": currency, "status": status, "offer_key": key.encode(), "adjusted_price": 10}
        for key, currency, status in (("a", "EUR", "active"), ("b", "USD", "active"), ("c", "EUR", "sold"))
    ]
    on(empty_url, lambda connection: connection.execute(insert(metadata.tables["cpu"]), ROWS["cpu"]))
    on(empty_url, lambda connection: connection.execute(insert(metadata.tables["listing"]), rows))
    run(empty_url, "UPDATE listing SET adjusted_price = 9 WHERE currency = 'EUR'")
    assert run(empty_url, "SELECT count(*) FROM price_observation") == 3
    schema_version.upgrade(empty_url)
    told = "SELECT string_agg(listing_id || ' ' || adjusted_price, ', ' ORDER BY listing_id, seen_at)"
    assert run(empty_url, f"{told} FROM price_observation") == "1 10.00, 1 9.00, 2 10.00, 3 10.00"
    run(empty_url, "UPDATE listing SET adjusted_price = 8 WHERE id = 1")
    assert run(empty_url, "SELECT count(*) FROM price_observation") == 5
    schema_version.downgrade(empty_url, "0009")
    run(empty_url, "UPDATE listing SET adjusted_price = 7 WHERE id = 1")
    assert run(empty_url, "SELECT count(*) FROM price_observation") == 5


def test_upgrading_again_changes_nothing(database_url: str) -> None:
    on(database_url, populate)
    schema_version.upgrade(database_url)
    assert run(database_url, "SELECT count(*) FROM cpu") == 1


def test_a_migration_that_fails_leaves_nothing(empty_url: str) -> None:
    run(empty_url, "CREATE TABLE job (in_the_way int)")
    with pytest.raises(Exception, match='"job" already exists'):
        schema_version.upgrade(empty_url)
    assert on(empty_url, tables) == {"job"}
    assert on(empty_url, schema_version.current_revision) is None


def migrating(url: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "app.cli", "migrate"], env={**os.environ, "DATABASE_URL": url})


def test_two_migrations_at_once_take_turns(empty_url: str) -> None:
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"

    async def take_turns(both: list[subprocess.Popen[bytes]]) -> None:
        connection = await asyncpg.connect(empty_url)
        await connection.execute("SELECT pg_advisory_lock($1)", advisory_locks.MIGRATION_LOCK)
        both += [migrating(empty_url), migrating(empty_url)]
        deadline = time.monotonic() + 60
        while await connection.fetchval(waiting) < 2:
            assert time.monotonic() < deadline, "they do not wait for each other"
            await asyncio.sleep(0.01)
        assert await connection.fetchval("SELECT to_regclass('cpu')") is None
        await connection.close()

    started: list[subprocess.Popen[bytes]] = []
    try:
        asyncio.run(take_turns(started))
        assert [each.wait(60) for each in started] == [0, 0]
    finally:
        for each in started:
            each.kill()
            each.wait()
    assert on(empty_url, tables) == set(metadata.tables)


def test_a_database_newer_than_the_code(database_url: str) -> None:
    run(database_url, "UPDATE alembic_version SET version_num = 'f00d'")
    before = on(database_url, catalog)
    with pytest.raises(StartupError) as refused:
        schema_version.upgrade(database_url)
    assert refused.value.message == (
        f"The database is newer than this code (revision f00d, the code knows up to {schema_version.head_revision()}): "
        "install the newer Dealmark, or restore a backup made with this one."
    )
    assert on(database_url, catalog) == before


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://127.0.0.1:1/x", "Connect call failed"),
        ("postgresql://user:hunter2@127.0.0.1:1/x?sslmode=require", "Connect call failed"),
        ("postgresql:///x?host=/no/such/folder", "No such file or directory"),
        ("postgresql://127.0.0.1:1/x?sslmode=green", "`sslmode` parameter must be one of"),
    ],
)
def test_a_server_that_cannot_be_reached(url: str, reason: str) -> None:
    assert reason in refusal(url)


def test_a_database_that_does_not_exist(cluster: str) -> None:
    assert 'database "nowhere" does not exist' in refusal(database_url_in(cluster, "nowhere"))


def test_a_user_that_does_not_exist(cluster: str) -> None:
    assert 'role "nobody" does not exist' in refusal(cluster.replace("postgres@", "nobody:hunter2@"))


def refusal(url: str) -> str:
    """The one sentence about a database that cannot be used."""
    with pytest.raises(StartupError) as refused:
        schema_version.upgrade(url)
    sentence = refused.value.message
    assert sentence.startswith("The database of DATABASE_URL cannot be used (")
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert "hunter2" not in sentence
    return sentence


def test_a_migration_makes_other_answers_than_before(empty_url: str) -> None:
    """It may have changed what they are made of."""
    schema_version.upgrade(empty_url, "0001")
    run(empty_url, "INSERT INTO data_version VALUES ('catalog', 7), ('market', 1)")
    for expected in ("catalog 8, market 2", "catalog 8, market 2"):
        schema_version.upgrade(empty_url)
        told = "SELECT string_agg(domain || ' ' || version, ', ' ORDER BY domain) FROM data_version"
        assert run(empty_url, told) == expected, "nothing to migrate the second time"
