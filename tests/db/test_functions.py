"""The files of app/db/functions are the functions and triggers of a migrated database."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from app.db import functions, schema_version

DEFINITIONS = """
    SELECT 'trigger ' || tgname || ' on ' || tgrelid::regclass AS name, pg_get_triggerdef(oid) AS definition
    FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL
    SELECT 'function ' || proname, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
"""


async def definitions(connection: asyncpg.Connection) -> dict[str, str]:
    return {row["name"]: row["definition"] for row in await connection.fetch(DEFINITIONS)}


def statements() -> list[str]:
    return [statement for name in functions.function_names() for statement in functions.function_statements(name)]


def test_every_function_and_trigger_has_a_file_with_the_same_text(database_url: str) -> None:
    async def compare() -> None:
        connection = await asyncpg.connect(database_url)
        try:
            migrated = await definitions(connection)
            names = [name.removeprefix("function ") for name in migrated if name.startswith("function ")]
            assert sorted(names) == functions.function_names()
            for name in migrated:
                kind, thing = name.split(" ")[:2]
                if kind == "trigger":
                    await connection.execute(f"DROP TRIGGER {thing} ON {name.rpartition(' ')[2]}")
            for statement in statements():
                await connection.execute(statement)
            assert await definitions(connection) == migrated
        finally:
            await connection.close()

    asyncio.run(compare())


def test_a_changed_body_in_the_database_is_found(database_url: str) -> None:
    async def change_and_compare() -> None:
        connection = await asyncpg.connect(database_url)
        try:
            create = functions.function_statements("lock_cpu_writers")[0]
            await connection.execute(create.replace("RETURN NULL", "-- changed\n    RETURN NULL"))
            changed = await definitions(connection)
            for statement in statements():
                await connection.execute(statement)
            assert await definitions(connection) != changed
        finally:
            await connection.close()

    asyncio.run(change_and_compare())


@pytest.mark.parametrize("name", functions.function_names())
def test_function_file_starts_with_a_comment_and_has_no_other_statements(name: str) -> None:
    create, *triggers = functions.function_statements(name)
    assert create.startswith("-- ")
    assert f"CREATE OR REPLACE FUNCTION {name}(" in create
    assert all(trigger.startswith("CREATE OR REPLACE TRIGGER ") for trigger in triggers)
    assert all(trigger.endswith(f"EXECUTE FUNCTION {name}()") for trigger in triggers)


def test_downgrade_restores_the_functions_of_the_previous_revision(empty_url: str) -> None:
    async def at_present() -> dict[str, str]:
        connection = await asyncpg.connect(empty_url)
        try:
            return await definitions(connection)
        finally:
            await connection.close()

    schema_version.upgrade(empty_url, "0011")
    before = asyncio.run(at_present())
    schema_version.upgrade(empty_url, "0012")
    assert asyncio.run(at_present()) != before
    schema_version.downgrade(empty_url, "0011")
    assert asyncio.run(at_present()) == before
