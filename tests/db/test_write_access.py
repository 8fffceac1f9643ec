"""Write transactions on databases that are read-only or of another version, and descriptions of errors."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core.disk_errors import describe_disk_error, is_disk_error
from app.core.errors import DeadlineExceeded
from app.db.errors import NEVER_MIGRATED, READ_ONLY, REMEDIES, database_unusable_error, is_unavailable
from app.db.schema_version import head_revision
from app.db.write_access import NewerSchema, ReadOnlyDatabase, SchemaMismatch
from app.graphql.error_masking import to_client_error
from app.resources import Resources
from tests.support.databases import run_statement, set_read_only

BUMP = text("UPDATE data_version SET version = version + 1")


async def write(resources: Resources) -> None:
    async with resources.write() as tx:
        await tx.execute(BUMP)


async def test_read_only_database_refuses_changes_until_it_accepts_them_again(
    resources: Resources, cluster: str
) -> None:
    """Connections that were opened meanwhile stay read-only, so the pool must not keep them."""
    url = resources.settings.required_database_url
    await write(resources)
    await set_read_only(cluster, url, True)
    for _ in range(3):
        with pytest.raises(ReadOnlyDatabase):
            await write(resources)
    async with resources.read() as session:
        assert await session.scalar(text("SELECT 1")) == 1
    await set_read_only(cluster, url, False, disconnect=False)
    await write(resources)


async def test_database_of_another_version_is_not_written_to(resources: Resources) -> None:
    url = resources.settings.required_database_url
    await write(resources)
    for statement, error, message in (
        ("UPDATE alembic_version SET version_num = '0001'", SchemaMismatch, "older than this code (revision 0001"),
        ("UPDATE alembic_version SET version_num = 'f00d'", NewerSchema, "newer than this code (revision f00d"),
        ("DELETE FROM alembic_version", SchemaMismatch, NEVER_MIGRATED),
        ("DROP TABLE alembic_version", SchemaMismatch, NEVER_MIGRATED),
        (f"CREATE TABLE alembic_version AS SELECT '{head_revision()}' ::varchar(32) AS version_num", None, ""),
    ):
        await run_statement(url, statement)
        if error is None:
            await write(resources)
            continue
        with pytest.raises(error) as raised:
            await write(resources)
        assert message in raised.value.message
        assert raised.value.code == "SERVICE_UNAVAILABLE"


@pytest.mark.parametrize("state", [*REMEDIES, "25006"])
async def test_error_of_a_server_that_is_half_there_is_described(resources: Resources, state: str) -> None:
    """A trigger that raises the error takes the place of a full disk and the like."""
    await run_statement(
        resources.settings.required_database_url,
        f"""
        CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'hit a limit' USING ERRCODE = '{state}'; END $$;
        CREATE TRIGGER fail BEFORE UPDATE ON data_version EXECUTE FUNCTION fail();
        """,
    )
    with pytest.raises(DBAPIError) as raised:
        await write(resources)
    assert is_unavailable(raised.value)
    sentence = database_unusable_error(raised.value).message
    assert sentence.endswith(".")
    assert "DATABASE_URL" not in sentence
    client_error = to_client_error(raised.value)
    assert isinstance(client_error, DeadlineExceeded) == (state == "57014")
    assert client_error.code == ("DEADLINE_EXCEEDED" if state == "57014" else "SERVICE_UNAVAILABLE")
    assert (client_error.message == READ_ONLY) == (state == "25006")
    if state != "25006":
        assert "(hit a limit)" in sentence


def test_full_disk_is_not_taken_for_a_lost_connection(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    assert is_disk_error(full)
    assert not is_unavailable(full)
    assert describe_disk_error(full) == "The disk of this machine is full: free space on it."
    assert describe_disk_error(full, Path("/data")) == "The disk with /data is full: free space on it."
    with pytest.raises(OSError) as raised:
        (tmp_path / "none" / "x").write_text("")
    assert is_disk_error(raised.value)
    assert describe_disk_error(raised.value) == f"{tmp_path}/none/x cannot be used: No such file or directory."
    for lost in (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), TimeoutError(), OSError("Connect call failed")):
        assert not is_disk_error(lost)
        assert is_unavailable(lost)
