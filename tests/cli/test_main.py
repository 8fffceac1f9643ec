"""The `dealmark` command: output, exit codes, and errors of one sentence."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path

import jwt
import pytest

from app.cli import main
from app.db import schema_version
from app.devserver.embedded import EmbeddedPostgres, EmbeddedRedis
from app.graphql.viewer import Role, Viewer
from app.resources import Resources
from app.schema.build import build_schema
from app.server.authentication import Authenticator
from app.settings import Settings
from tests.support.catalog_rows import add_cpu
from tests.support.command_line import (
    UNREACHABLE_DATABASE_URL,
    CommandResult,
    CommandRunner,
    error_sentence,
    query_database,
)
from tests.support.databases import database_url_in, temporary_database
from tests.support.settings import SECRET, make_settings


def add_cpus(url: str, *prices: list[float]) -> None:
    """Add CPUs named "AMD 0", "AMD 1" and so on, with listings at these prices."""

    async def work() -> None:
        async with Resources.open(make_settings(database_url=url, redis_url="redis://127.0.0.1:1")) as resources:
            for number, cpu_prices in enumerate(prices):
                await add_cpu(resources, f"AMD {number}", cpu_prices, cpu_mark_multi=1000)

    asyncio.run(work())


def test_recalculate_prints_counts_and_writes_prices(dealmark: CommandRunner, database_url: str) -> None:
    add_cpus(database_url, [10, 20], [30, 30], [])
    ran = dealmark("recalculate", DATABASE_URL=database_url)
    assert (ran.code, ran.errors) == (0, "")
    assert ran.output == '{"total": 3, "succeeded": 3, "failed": 0}\n'
    assert query_database(database_url, "SELECT price_good FROM cpu ORDER BY id") == [
        (Decimal(15),),
        (Decimal(30),),
        (None,),
    ]
    assert query_database(database_url, "SELECT status, requested_by, input FROM job") == [
        ("succeeded", "command line", "{}")
    ]


def test_recalculate_with_slugs_recalculates_only_these_cpus(dealmark: CommandRunner, database_url: str) -> None:
    add_cpus(database_url, [10, 20], [30, 30], [5, 5])
    ran = dealmark("recalculate", "--cpu", "amd-2", "--cpu", "amd-0", "--cpu", "amd-2", DATABASE_URL=database_url)
    assert (ran.code, json.loads(ran.output)) == (0, {"total": 2, "succeeded": 2, "failed": 0})
    assert query_database(database_url, "SELECT price_good FROM cpu ORDER BY id") == [
        (Decimal(15),),
        (None,),
        (Decimal(5),),
    ]


def test_recalculate_with_a_failing_cpu_exits_with_1(dealmark: CommandRunner, database_url: str) -> None:
    """Only the counts are on stdout, for programs that read them."""
    add_cpus(database_url, [10, 20], [30, 30])
    query_database(database_url, "ALTER TABLE cpu ADD CONSTRAINT cheap CHECK (price_good < 20)")
    ran = dealmark("recalculate", DATABASE_URL=database_url)
    assert ran.code == 1
    assert ran.output == '{"total": 2, "succeeded": 1, "failed": 1}\n'
    logged = [json.loads(line) for line in ran.errors.splitlines()]
    assert [line["event"] for line in logged] == ["cpu_metrics.recalc.cpu_failed", "cpu_metrics.recalc.high_error_rate"]
    assert (logged[0]["cpu"], logged[1]["failed"]) == (2, 1)


def test_verify_reports_differences_and_repairs_them_with_fix(dealmark: CommandRunner, database_url: str) -> None:
    """Pending changes are processed first, then differences are reported, and repaired with --fix."""
    add_cpus(database_url, [10, 20], [30, 30])
    ran = dealmark("verify", DATABASE_URL=database_url)
    assert (ran.code, ran.errors) == (0, "")
    consistent = {
        "total": 3,
        "consistent": 3,
        "consistency": 100.0,
        "cpus": {},
        "failed": {},
        "statistics": [],
        "left": 0,
    }
    assert json.loads(ran.output) == consistent
    query_database(database_url, "UPDATE cpu SET price_good = 1, value_rating = NULL WHERE slug = 'amd-1'")
    query_database(database_url, "UPDATE listing_statistics SET active = 9")
    differing = {"amd-1": ["price_good", "value_rating"]}
    found = {**consistent, "consistent": 1, "consistency": 33.33, "cpus": differing, "statistics": ["listings"]}
    for _ in range(2):
        ran = dealmark("verify", DATABASE_URL=database_url)
        assert (ran.code, ran.errors, json.loads(ran.output)) == (1, "", {**found, "left": 2})
    ran = dealmark("verify", "--fix", DATABASE_URL=database_url)
    assert (ran.code, ran.errors, json.loads(ran.output)) == (0, "", found)
    assert json.loads(dealmark("verify", DATABASE_URL=database_url).output) == consistent


def test_verify_with_a_failing_cpu_names_it(dealmark: CommandRunner, database_url: str) -> None:
    add_cpus(database_url, [10, 20], [30, 30])
    query_database(database_url, "ALTER TABLE cpu ADD CONSTRAINT cheap CHECK (price_good < 20)")
    ran = dealmark("verify", "--fix", DATABASE_URL=database_url)
    found = json.loads(ran.output)
    assert (ran.code, list(found["failed"]), found["left"]) == (1, ["amd-1"], 1)


def test_recalculate_with_an_unknown_slug_does_nothing(dealmark: CommandRunner, database_url: str) -> None:
    add_cpus(database_url, [10, 20])
    ran = dealmark("recalculate", "--cpu", "amd-0", "--cpu", "amd-7", "--cpu", "intel", DATABASE_URL=database_url)
    assert error_sentence(ran) == "No CPU has the slug amd-7, intel."
    assert query_database(database_url, "SELECT count(*) FROM job") == [(0,)]


@pytest.mark.parametrize("command", ["recalculate", "verify"])
def test_database_without_tables_is_one_sentence(dealmark: CommandRunner, cluster: str, command: str) -> None:
    with temporary_database(cluster) as url:
        ran = dealmark(command, DATABASE_URL=url)
    assert error_sentence(ran) == "The database has no tables yet: run `dealmark migrate`."


@pytest.mark.parametrize("command", ["recalculate", "verify", "migrate"])
def test_unreachable_or_missing_database_is_one_sentence(dealmark: CommandRunner, cluster: str, command: str) -> None:
    sentence = error_sentence(dealmark(command, DATABASE_URL=UNREACHABLE_DATABASE_URL, DEALMARK_LOG_LEVEL="ERROR"))
    assert sentence.startswith("The database of DATABASE_URL cannot be used ([Errno 111] Connect call failed")
    missing_database = error_sentence(dealmark(command, DATABASE_URL=database_url_in(cluster, "nowhere")))
    assert missing_database == (
        'The database of DATABASE_URL cannot be used (database "nowhere" does not exist): '
        "start PostgreSQL, create the database, or correct the URL."
    )


@pytest.mark.parametrize("command", ["serve", "worker", "migrate", "recalculate", "verify"])
def test_missing_database_url_is_one_sentence(dealmark: CommandRunner, command: str) -> None:
    assert error_sentence(dealmark(command)).startswith("DATABASE_URL is not set. Set it, or use `dealmark up`")


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_missing_redis_url_is_one_sentence(dealmark: CommandRunner, database_url: str, command: str) -> None:
    sentence = error_sentence(dealmark(command, DATABASE_URL=database_url))
    assert sentence.startswith("REDIS_URL is not set. Set it, or use `dealmark up`")


@pytest.mark.parametrize("command", ["up", "serve", "worker", "migrate", "recalculate", "verify", "token"])
def test_invalid_setting_is_one_sentence(dealmark: CommandRunner, command: str) -> None:
    sentence = error_sentence(dealmark(command, DEALMARK_PORT="http"))
    assert sentence.startswith("DEALMARK_PORT is not usable: ")


def test_address_that_serve_cannot_use_is_one_sentence(dealmark: CommandRunner) -> None:
    servers = {"DATABASE_URL": UNREACHABLE_DATABASE_URL, "REDIS_URL": "redis://127.0.0.1:1/0"}
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        in_use = dealmark("serve", **servers, DEALMARK_PORT=str(port))
        assert error_sentence(in_use) == f"Port {port} is used by another program: stop it, or set DEALMARK_PORT."
    for host in ("203.0.113.1", "no-such-host.invalid"):
        elsewhere = dealmark("serve", **servers, DEALMARK_HOST=host, DEALMARK_PORT=str(port))
        assert error_sentence(elsewhere).startswith(f"Port {port} of {host} cannot be used (")


def test_migrate_prints_the_revision_and_rejects_a_newer_one(dealmark: CommandRunner, cluster: str) -> None:
    output = f"The database is at revision {schema_version.head_revision()}.\n"
    with temporary_database(cluster) as url:
        assert dealmark("migrate", DATABASE_URL=url) == (0, output, "")
        assert dealmark("migrate", DATABASE_URL=url) == (0, output, "")
        assert query_database(url, "SELECT version_num FROM alembic_version") == [(schema_version.head_revision(),)]
        query_database(url, "UPDATE alembic_version SET version_num = 'f00d'")
        assert "newer than this code (revision f00d" in error_sentence(dealmark("migrate", DATABASE_URL=url))


@pytest.mark.parametrize("role", Role)
def test_token_is_accepted_with_its_role_and_lifetime(dealmark: CommandRunner, role: Role) -> None:
    name = role.name.lower()
    ran = dealmark("token", "--role", name, "--subject", "me", "--hours", "0.5", DEALMARK_JWT_SECRET=SECRET)
    assert (ran.code, ran.errors) == (0, "")
    settings = Settings(jwt_secret=SECRET)
    viewer = asyncio.run(Authenticator(settings).authenticate(f"Bearer {ran.output.strip()}"))
    assert viewer == Viewer("me", role)
    claims = jwt.decode(ran.output.strip(), SECRET, algorithms=["HS256"])
    assert claims["exp"] - claims["iat"] == 1800


def test_token_is_for_a_viewer_and_a_day_by_default(dealmark: CommandRunner) -> None:
    environment = {"DEALMARK_JWT_SECRET": SECRET, "DEALMARK_JWT_ISSUER": "us", "DEALMARK_JWT_AUDIENCE": "them"}
    token = dealmark("token", **environment).output.strip()
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], issuer="us", audience="them")
    assert (claims["sub"], claims["role"], claims["exp"] - claims["iat"]) == ("developer", "viewer", 86400)


def test_token_without_a_secret_is_one_sentence(dealmark: CommandRunner) -> None:
    assert error_sentence(dealmark("token")) == (
        "There is no secret to sign with: set DEALMARK_JWT_SECRET, or start `dealmark up` once."
    )


def test_token_uses_the_secret_of_up(dealmark: CommandRunner, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "jwt-secret").write_text(f"{SECRET}\n")
    token = dealmark("token", "--role", "admin").output.strip()
    assert jwt.decode(token, SECRET, algorithms=["HS256"])["role"] == "admin"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["token", "--role", "king"], "'king' is not one of 'viewer', 'operator', 'admin'"),
        (["token", "--hours", "0"], "greater than or equal to 0.01"),
        (["fly"], "No such command 'fly'"),
    ],
)
def test_invalid_arguments_exit_with_2(dealmark: CommandRunner, arguments: list[str], message: str) -> None:
    ran = dealmark(*arguments)
    assert (ran.code, ran.output) == (2, "")
    assert message in " ".join(ran.errors.replace("│", " ").split())


def test_version_is_printed(dealmark: CommandRunner) -> None:
    assert dealmark("--version") == (0, f"dealmark {version('dealmark')}\n", "")


def test_misspelled_setting_is_a_warning(dealmark: CommandRunner) -> None:
    ran = dealmark("schema", DEALMARK_RESPONSE_CASHE="on")
    assert (ran.code, ran.errors) == (
        0,
        "DEALMARK_RESPONSE_CASHE is not a setting; did you mean DEALMARK_RESPONSE_CACHE.\n",
    )


def test_schema_is_printed(dealmark: CommandRunner) -> None:
    assert dealmark("schema") == (0, build_schema().as_str() + "\n", "")


def test_every_command_has_help(dealmark: CommandRunner) -> None:
    commands = [command.callback for command in main.app.registered_commands]
    for name in [*(command.__name__ for command in commands if command), "import"]:
        ran = dealmark(name, "--help")
        assert ran.code == 0
        assert f"dealmark {name}" in ran.output


def test_commands_find_the_database_of_a_running_up(dealmark: CommandRunner, tmp_path: Path) -> None:
    data = tmp_path / "data"
    postgres, redis = EmbeddedPostgres(data / "postgres", durable=False), EmbeddedRedis(data / "redis")
    try:
        redis.start()
        query_database(postgres.start(), "CREATE DATABASE dealmark")
        assert dealmark("migrate").code == 0
        assert dealmark("recalculate").output == '{"total": 0, "succeeded": 0, "failed": 0}\n'
    finally:
        redis.stop()
        postgres.stop()
    assert error_sentence(dealmark("recalculate")).startswith("DATABASE_URL is not set.")


def test_unexpected_exception_is_not_hidden(dealmark: CommandRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(schema_version, "upgrade", broken)
    with pytest.raises(ZeroDivisionError):
        dealmark("migrate", DATABASE_URL=UNREACHABLE_DATABASE_URL)


def test_dealmark_runs_as_a_process(database_url: str, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "DEALMARK_DATA_DIR": str(tmp_path)}

    def run(*arguments: str, **more: str) -> CommandResult:
        command = [str(Path(sys.executable).with_name("dealmark")), *arguments]
        ran = subprocess.run(command, env=environment | more, capture_output=True, text=True, timeout=30, check=False)
        return CommandResult(ran.returncode, ran.stdout, ran.stderr)

    ran = run("recalculate", DATABASE_URL=database_url)
    assert ran == (0, '{"total": 0, "succeeded": 0, "failed": 0}\n', "")
    assert error_sentence(run("worker", REDIS_URL="redis://127.0.0.1:1")).startswith("DATABASE_URL is not set.")
