"""Migrations: the result equals the tables of the code, every step can be reverted with data, and errors are clear."""

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

# Tables that only triggers write.
TRIGGER_TABLES = {"cpu_statistics", "listing_statistics", "data_change_log"}

# Alembic's comparison ignores parts of these: columns with defaults, constraints with CHECKs, indexes, storage options.
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

# Triggers and functions, which only migrations create.
ROUTINES = """
    SELECT tgrelid::regclass || '.' || tgname AS name, pg_get_triggerdef(oid) AS definition
    FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL
    SELECT proname, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
"""


def run_in_transaction(url: str, work: Callable[[Connection], T]) -> T:
    """Run `work(connection)` in a transaction, and return its result."""

    async def run() -> T:
        engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"), poolclass=NullPool)
        async with engine.begin() as connection:
            return await connection.run_sync(work)

    return asyncio.run(run())


def execute(url: str, statement: str) -> Any:
    """Run a statement; return the first column of its first row, if it has rows."""

    def run_statement(connection: Connection) -> Any:
        result = connection.execute(text(statement))
        return result.scalar() if result.returns_rows else None

    return run_in_transaction(url, run_statement)


def insert_rows(connection: Connection) -> None:
    """Insert a row into every table that exists at this revision."""
    existing = tables(connection)
    for name, row in ((name, row) for name, row in ROWS.items() if name in existing):
        connection.execute(insert(metadata.tables[name]), row)


def tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names()) - {"alembic_version"}


def catalog(connection: Connection) -> dict[str, str]:
    return {row.name: row.definition for row in connection.execute(text(CATALOG)) if "alembic_version" not in row.name}


def routines(connection: Connection) -> dict[str, str]:
    return {row.name: row.definition for row in connection.execute(text(ROUTINES))}


def test_migrated_schema_equals_the_tables_for_alembic(database_url: str) -> None:
    run_in_transaction(database_url, lambda connection: check(schema_version.alembic_config(connection)))
    options = {"compare_type": True, "compare_server_default": True}
    assert (
        run_in_transaction(
            database_url, lambda c: compare_metadata(MigrationContext.configure(c, opts=options), metadata)
        )
        == []
    )


def test_alembic_comparison_finds_a_dropped_column(database_url: str) -> None:
    execute(database_url, "ALTER TABLE cpu DROP COLUMN socket")
    differences = run_in_transaction(database_url, lambda c: compare_metadata(MigrationContext.configure(c), metadata))
    assert [difference[:1] for difference in differences] == [("add_column",)]


def test_migrated_catalog_equals_that_of_create_all(database_url: str, empty_url: str) -> None:
    run_in_transaction(empty_url, metadata.create_all)
    assert run_in_transaction(database_url, catalog) == run_in_transaction(empty_url, catalog)


def test_migrations_down_and_up_with_rows_in_every_table_restore_the_schema(database_url: str) -> None:
    assert set(ROWS) | TRIGGER_TABLES == set(metadata.tables), "ROWS has no row of a table"
    run_in_transaction(database_url, insert_rows)
    assert all(execute(database_url, f"SELECT count(*) FROM {table}") for table in TRIGGER_TABLES)
    before = run_in_transaction(database_url, catalog), run_in_transaction(database_url, routines)
    revisions = [
        script.revision for script in ScriptDirectory.from_config(schema_version.alembic_config()).walk_revisions()
    ]
    for revision in [*revisions[1:], "base"]:
        schema_version.downgrade(database_url, revision)
        revision_now = run_in_transaction(database_url, schema_version.current_revision)
        assert revision_now == (None if revision == "base" else revision)
    assert run_in_transaction(database_url, tables) == set()
    assert run_in_transaction(database_url, routines) == {}
    for revision in [*reversed(revisions), "head"]:
        schema_version.upgrade(database_url, revision)
    assert run_in_transaction(database_url, schema_version.current_revision) == schema_version.head_revision()
    assert (run_in_transaction(database_url, catalog), run_in_transaction(database_url, routines)) == before
    run_in_transaction(database_url, insert_rows)


def test_migration_0003_computes_statistics_of_existing_rows(empty_url: str) -> None:
    schema_version.upgrade(empty_url, "0002")
    run_in_transaction(empty_url, insert_rows)
    listing = {**ROWS["listing"], "status": "ended", "offer_key": b"other"}
    run_in_transaction(empty_url, lambda connection: connection.execute(insert(metadata.tables["listing"]), listing))
    schema_version.upgrade(empty_url)
    statistics = "SELECT (total, manufacturers, cores_min, (SELECT sum(active) FROM listing_statistics))::text"
    assert execute(empty_url, f"{statistics} FROM cpu_statistics") == "(1,{AMD},,1)"


OBSERVED = """
    SELECT string_agg(
        concat_ws(' ', listing_id, tableoid::regclass, price, adjusted_price, state), ', ' ORDER BY seen_at)
    FROM price_observation
"""


def test_migration_0005_moves_existing_prices_to_partitions_and_back(empty_url: str) -> None:
    schema_version.upgrade(empty_url, "0004")
    run_in_transaction(empty_url, insert_rows)
    ended = {**ROWS["listing"], "status": "ended", "offer_key": b"other"}
    parts = {**ROWS["listing"], "condition": "for_parts", "offer_key": b"parts"}
    run_in_transaction(
        empty_url, lambda connection: connection.execute(insert(metadata.tables["listing"]), [ended, parts])
    )
    execute(
        empty_url,
        """INSERT INTO price_observation VALUES
            (2, '2023-07-05', 20, 1.50, 'USD'), (2, '2026-03-01', 21, NULL, 'USD'),
            (3, '2026-03-01 00:01Z', 5, 1, 'USD'), (1, '1970-01-01', 7, NULL, 'EUR')""",
    )
    before = execute(empty_url, "SELECT json_agg(p ORDER BY listing_id, seen_at)::text FROM price_observation AS p")
    schema_version.upgrade(empty_url, "0005")
    month = "partitions.price_observation"
    assert execute(empty_url, OBSERVED) == (
        f"1 {month}_rest 7.00 active, 2 {month}_2023_07 20.00 21.50 active, 1 {month}_2025_12 10.00 10.00 active, "
        f"2 {month}_2026_03 21.00 21.00 gone, 3 {month}_2026_03 5.00 active"
    )
    execute(empty_url, "UPDATE listing SET status = 'sold', price = NULL WHERE id = 1")
    assert execute(empty_url, "SELECT count(*) FROM price_observation") == 6
    schema_version.downgrade(empty_url, "0004")
    prices = "SELECT json_agg(p ORDER BY listing_id, seen_at)::text FROM price_observation AS p"
    assert execute(empty_url, prices) == before, "the state is not restored"
    assert execute(empty_url, "SELECT count(*) FROM pg_namespace WHERE nspname = 'partitions'") == 0


def test_migration_0010_adds_observations_of_revalued_listings(empty_url: str) -> None:
    """Only for active listings in a foreign currency or with components, with the time of the migration."""
    schema_version.upgrade(empty_url, "0009")
    rows = [
        {**ROWS["listing"], "currency": currency, "status": status, "offer_key": key.encode(), "adjusted_price": 10}
        for key, currency, status in (("a", "EUR", "active"), ("b", "USD", "active"), ("c", "EUR", "sold"))
    ]
    run_in_transaction(empty_url, lambda connection: connection.execute(insert(metadata.tables["cpu"]), ROWS["cpu"]))
    run_in_transaction(empty_url, lambda connection: connection.execute(insert(metadata.tables["listing"]), rows))
    execute(empty_url, "UPDATE listing SET adjusted_price = 9 WHERE currency = 'EUR'")
    assert execute(empty_url, "SELECT count(*) FROM price_observation") == 3
    schema_version.upgrade(empty_url)
    prices = "SELECT string_agg(listing_id || ' ' || adjusted_price, ', ' ORDER BY listing_id, seen_at)"
    assert execute(empty_url, f"{prices} FROM price_observation") == "1 10.00, 1 9.00, 2 10.00, 3 10.00"
    execute(empty_url, "UPDATE listing SET adjusted_price = 8 WHERE id = 1")
    assert execute(empty_url, "SELECT count(*) FROM price_observation") == 5
    schema_version.downgrade(empty_url, "0009")
    execute(empty_url, "UPDATE listing SET adjusted_price = 7 WHERE id = 1")
    assert execute(empty_url, "SELECT count(*) FROM price_observation") == 5


def test_upgrade_of_a_current_database_changes_nothing(database_url: str) -> None:
    run_in_transaction(database_url, insert_rows)
    schema_version.upgrade(database_url)
    assert execute(database_url, "SELECT count(*) FROM cpu") == 1


def test_upgrade_that_fails_is_rolled_back(empty_url: str) -> None:
    execute(empty_url, "CREATE TABLE job (in_the_way int)")
    with pytest.raises(Exception, match='"job" already exists'):
        schema_version.upgrade(empty_url)
    assert run_in_transaction(empty_url, tables) == {"job"}
    assert run_in_transaction(empty_url, schema_version.current_revision) is None


def start_migration(url: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "app.cli", "migrate"], env={**os.environ, "DATABASE_URL": url})


def test_concurrent_upgrades_run_one_after_another(empty_url: str) -> None:
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"

    async def take_turns(both: list[subprocess.Popen[bytes]]) -> None:
        connection = await asyncpg.connect(empty_url)
        await connection.execute("SELECT pg_advisory_lock($1)", advisory_locks.MIGRATION_LOCK)
        both += [start_migration(empty_url), start_migration(empty_url)]
        deadline = time.monotonic() + 60
        while await connection.fetchval(waiting) < 2:
            assert time.monotonic() < deadline, "the migrations do not wait for the lock"
            await asyncio.sleep(0.01)
        assert await connection.fetchval("SELECT to_regclass('cpu')") is None
        await connection.close()

    started: list[subprocess.Popen[bytes]] = []
    try:
        asyncio.run(take_turns(started))
        assert [process.wait(60) for process in started] == [0, 0]
    finally:
        for process in started:
            process.kill()
            process.wait()
    assert run_in_transaction(empty_url, tables) == set(metadata.tables)


def test_upgrade_of_a_newer_database_is_rejected(database_url: str) -> None:
    execute(database_url, "UPDATE alembic_version SET version_num = 'f00d'")
    before = run_in_transaction(database_url, catalog)
    with pytest.raises(StartupError) as raised:
        schema_version.upgrade(database_url)
    assert raised.value.message == (
        f"The database is newer than this code (revision f00d, the code knows up to {schema_version.head_revision()}): "
        "install the newer Dealmark, or restore a backup made with this one."
    )
    assert run_in_transaction(database_url, catalog) == before


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://127.0.0.1:1/x", "Connect call failed"),
        ("postgresql://user:hunter2@127.0.0.1:1/x?sslmode=require", "Connect call failed"),
        ("postgresql:///x?host=/no/such/folder", "No such file or directory"),
        ("postgresql://127.0.0.1:1/x?sslmode=green", "`sslmode` parameter must be one of"),
    ],
)
def test_upgrade_with_unreachable_server_names_the_reason(url: str, reason: str) -> None:
    assert reason in error_message(url)


def test_upgrade_of_a_missing_database_names_it(cluster: str) -> None:
    assert 'database "nowhere" does not exist' in error_message(database_url_in(cluster, "nowhere"))


def test_upgrade_as_a_missing_role_names_it(cluster: str) -> None:
    assert 'role "nobody" does not exist' in error_message(cluster.replace("postgres@", "nobody:hunter2@"))


def error_message(url: str) -> str:
    """Return the message of the StartupError, which is one sentence without secrets."""
    with pytest.raises(StartupError) as raised:
        schema_version.upgrade(url)
    sentence = raised.value.message
    assert sentence.startswith("The database of DATABASE_URL cannot be used (")
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert "hunter2" not in sentence
    return sentence


def test_upgrade_bumps_all_data_versions(empty_url: str) -> None:
    """Because a migration may change the data of cached responses."""
    schema_version.upgrade(empty_url, "0001")
    execute(empty_url, "INSERT INTO data_version VALUES ('catalog', 7), ('market', 1)")
    for expected in ("catalog 8, market 2", "catalog 8, market 2"):
        schema_version.upgrade(empty_url)
        versions = "SELECT string_agg(domain || ' ' || version, ', ' ORDER BY domain) FROM data_version"
        assert execute(empty_url, versions) == expected, "the second upgrade migrates nothing"
