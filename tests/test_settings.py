"""Settings: their sources, validation, and documentation."""

from __future__ import annotations

import ast
import re
from datetime import time
from typing import Any

import pytest

from app.core.errors import StartupError
from app.settings import Settings, environment_variable, load_settings, unknown_variables
from tests.support.paths import ROOT

# Set only by `dealmark up`, for its child processes.
INTERNAL = {"parent_pipe"}
# Passes the environment on to child processes, without reading it.
PASSES_ENVIRONMENT_ON = {"app/devserver/supervisor.py"}
WRONG_URL = "must be one or several URLs that begin with http:// or https://"
WRONG_KEY = "must be whsec_ and 24 to 64 bytes in base64"
WRONG_TIME = "must be hours and minutes in UTC, like 02:30"
WRONG_RATE = "must be a number per second, minute, hour or day, like 600/minute, or off"
WRONG_LIST = 'must be a JSON list of texts, like ["10.0.0.0/8"]'
WRONG_JWKS_URL = "must be a URL like https://login.example/.well-known/jwks.json"
WRONG_CLAIM = "must be text without spaces around it, like https://login.example"
WRONG_METRICS_TOKEN = (
    "must be at least 16 letters, digits and characters of -._~+/, like the output of `openssl rand -hex 32`"
)
ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without settings."""
    for name in Settings.model_fields:
        monkeypatch.delenv(environment_variable(name), raising=False)


def documented_settings() -> dict[str, Any]:
    return {name: field for name, field in Settings.model_fields.items() if name not in INTERNAL}


def reference_rows() -> list[tuple[str, str]]:
    """Return variable and meaning of each row of the reference page."""
    page = (ROOT / "docs" / "reference" / "settings.md").read_text()
    return re.findall(r"^\| `([A-Z_]+)` \| [^|]* \| (.+) \|$", page, re.MULTILINE)


def test_reference_page_lists_every_setting() -> None:
    """In the order of the code. A test of the generator compares the whole page, with the defaults."""
    expected = [(environment_variable(name), field.description) for name, field in documented_settings().items()]
    assert reference_rows() == expected


@pytest.mark.parametrize("name", Settings.model_fields)
def test_setting_has_a_description(name: str) -> None:
    description = Settings.model_fields[name].description
    assert description
    assert len(description) > 15
    assert not description.endswith(".")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_setting_is_read_from_its_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "database_url": "postgresql://somewhere/x",
        "redis_url": "redis://somewhere",
        "data_dir": "/somewhere",
        "development": "true",
        "log_format": "console",
        "log_level": "ERROR",
        "recalculation_at": "03:15",
        "verification_at": "03:15",
        "clean_up_at": "03:15",
        "webhook_url": "https://receiver.example/dealmark",
        "webhook_secret": "whsec_" + "QUJD" * 8,
        "documents": "apq",
        "documents_report_only": "true",
        "http_profile": "2026-09",
        "response_cache": "off",
        "trusted_proxies": '["10.0.0.0/8"]',
        "fetch_allow": '["10.1.0.0/16"]',
        "ebay_credentials": "client:secret",
        "rate_limit_persisted": "600/minute",
        "rate_limit_ad_hoc": "60/minute",
        "rate_limit_new_document": "60/minute",
        "rate_limit_mutation": "10/minute",
        "rate_limit_upload": "10/minute",
        "rate_limit_subscription": "off",
        "allowed_hosts": '["cpus.example"]',
        "host": "0.0.0.0",
        "jwt_jwks_url": "https://login.example/jwks.json",
        "ebay_api_url": "https://api.sandbox.ebay.com",
        "client_limits": "on",
    }
    default = getattr(load_settings(), name)
    monkeypatch.setenv(
        environment_variable(name), values.get(name, "12" * 16 if name.startswith(("jwt", "metrics")) else "12")
    )
    assert getattr(load_settings(), name) != default


@pytest.mark.parametrize("name", Settings.model_fields)
def test_numeric_setting_has_both_bounds(name: str) -> None:
    """Otherwise an absurd value only fails later, for example as a timeout of PostgreSQL."""
    field = Settings.model_fields[name]
    if field.annotation not in (int, float):
        return
    constraints = {type(constraint).__name__ for constraint in field.metadata}
    assert constraints & {"Ge", "Gt"}
    assert constraints & {"Le", "Lt"}


def test_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(environment_variable(name), "")
    assert load_settings() == Settings()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("DATABASE_URL", "the blue one", "must look like postgresql://user:password@host:5432/name"),
        ("DATABASE_URL", "mysql://hunter2@host/x", "must look like postgresql://user:password@host:5432/name"),
        ("DATABASE_URL", "postgresql://a:hunter2@host:port/x", "Port could not be cast to integer value as 'port'"),
        ("DATABASE_URL", "postgresql://a:hunter2@[::1/x", "Invalid IPv6 URL"),
        ("REDIS_URL", "hunter2", "must look like redis://host:6379/0"),
        ("REDIS_URL", "redis://:hunter2@host:port/0", "Port could not be cast to integer value as 'port'"),
        ("REDIS_URL", "redis://:hunter2@host/x", "must end with the number of a database, like redis://host:6379/0"),
        ("DEALMARK_PORT", "http", 'it must be a valid integer, not "http"'),
        ("DEALMARK_PORT", "0", 'it must be greater than or equal to 1, not "0"'),
        ("DEALMARK_JWT_SECRET", "hunter2", "must be at least 32 bytes long"),
        ("DEALMARK_DATABASE_POOL_SIZE", "1", 'it must be greater than or equal to 2, not "1"'),
        ("DEALMARK_RECALCULATION_AT", "02:30+02:00", f'{WRONG_TIME}, not "02:30+02:00"'),
        ("DEALMARK_RECALCULATION_AT", "02:30:15", f'{WRONG_TIME}, not "02:30:15"'),
        ("DEALMARK_CLEAN_UP_AT", "24:00", f'{WRONG_TIME}, not "24:00"'),
        ("DEALMARK_VERIFICATION_AT", "9", f'{WRONG_TIME}, not "9"'),
        ("DEALMARK_WEBHOOK_URL", "receiver.example", WRONG_URL),
        ("DEALMARK_WEBHOOK_URL", "https://one.example ftp://two.example", WRONG_URL),
        ("DEALMARK_WEBHOOK_URL", "https:///path", WRONG_URL),
        ("DEALMARK_WEBHOOK_URL", "http://host:port/", "Port could not be cast to integer value as 'port'"),
        ("DEALMARK_WEBHOOK_URL", "https://a:hunter2@host", "must have no user, password or #fragment in it"),
        ("DEALMARK_WEBHOOK_SECRET", "hunter2", WRONG_KEY),
        ("DEALMARK_WEBHOOK_SECRET", "whsec_hunter2", WRONG_KEY),
        ("DEALMARK_WEBHOOK_SECRET", "whsec_" + "QUJD" * 7, WRONG_KEY),
        ("DEALMARK_WEBHOOK_SECRET", "whsec_" + "QUJD" * 22, WRONG_KEY),
        ("DEALMARK_WEBHOOK_SECRET", "whsec_" + "QUJD" * 8 + " hunter2", WRONG_KEY),
        ("DEALMARK_WEBHOOK_SECRET", " ", WRONG_KEY),
        ("DEALMARK_EVENTS_RETENTION_DAYS", "0", 'it must be greater than or equal to 1, not "0"'),
        ("DEALMARK_POLL_INTERVAL_SECONDS", "120", 'it must be less than or equal to 60, not "120"'),
        ("DEALMARK_RATE_LIMIT_PERSISTED", "600", f'{WRONG_RATE}, not "600"'),
        ("DEALMARK_RATE_LIMIT_AD_HOC", "0/minute", f'{WRONG_RATE}, not "0/minute"'),
        ("DEALMARK_RATE_LIMIT_MUTATION", "10/fortnight", f'{WRONG_RATE}, not "10/fortnight"'),
        ("DEALMARK_RATE_LIMIT_UPLOAD", "none", f'{WRONG_RATE}, not "none"'),
        ("DEALMARK_RATE_LIMIT_SUBSCRIPTION", "9/minute\n", f'{WRONG_RATE}, not "9/minute\n"'),
        ("DEALMARK_TRUSTED_PROXIES", "10.0.0.0/8", f"{WRONG_LIST}, not '10.0.0.0/8'"),
        ("DEALMARK_TRUSTED_PROXIES", "[1]", f"{WRONG_LIST}, not '[1]'"),
        ("DEALMARK_TRUSTED_PROXIES", "[" * 100_000, f"{WRONG_LIST}, not '{'[' * 100_000}'"),
        ("DEALMARK_TRUSTED_PROXIES", '["proxy.example"]', '"proxy.example" is not a network like 10.0.0.0/8'),
        (
            "DEALMARK_TRUSTED_PROXIES",
            '["::/0"]',
            '"::/0" trusts every client; list the networks of the proxies, like 10.0.0.0/8',
        ),
        ("DEALMARK_FETCH_ALLOW", "intranet", f"{WRONG_LIST}, not 'intranet'"),
        (
            "DEALMARK_FETCH_ALLOW",
            '["http://intranet"]',
            '"http://intranet" is neither a lower-case host name nor a network like 10.1.0.0/16',
        ),
        (
            "DEALMARK_ALLOWED_HOSTS",
            '["cpus.example:8000"]',
            '"cpus.example:8000" is not a lower-case host name or an address, without a port, like cpus.example',
        ),
        (
            "DEALMARK_HOST",
            "http://0.0.0.0",
            'must be an address or a host name without a port, like 0.0.0.0, not "http://0.0.0.0"',
        ),
        ("DEALMARK_JWT_JWKS_URL", "login.example", f'{WRONG_JWKS_URL}, not "login.example"'),
        ("DEALMARK_JWT_JWKS_URL", "ftp://login.example", f'{WRONG_JWKS_URL}, not "ftp://login.example"'),
        ("DEALMARK_JWT_JWKS_URL", "https://login.example:port", f'{WRONG_JWKS_URL}, not "https://login.example:port"'),
        ("DEALMARK_JWT_JWKS_URL", "https://me:hunter2@login.example", WRONG_JWKS_URL),
        ("DEALMARK_JWT_ISSUER", "https://login.example ", f'{WRONG_CLAIM}, not "https://login.example "'),
        ("DEALMARK_JWT_AUDIENCE", " ", f'{WRONG_CLAIM}, not " "'),
        ("DEALMARK_METRICS_TOKEN", "hunter2", WRONG_METRICS_TOKEN),
        ("DEALMARK_METRICS_TOKEN", "hunter2 hunter2 hunter2", WRONG_METRICS_TOKEN),
        (
            "DEALMARK_EBAY_API_URL",
            "https://api.ebay.com/buy",
            'must be a URL without a path, like https://api.ebay.com, not "https://api.ebay.com/buy"',
        ),
        ("DEALMARK_HEADER_TIMEOUT_SECONDS", "nan", 'it must be a finite number, not "nan"'),
        ("DEALMARK_REQUEST_TIMEOUT_SECONDS", "1e9", 'it must be less than or equal to 3600, not "1e9"'),
        ("DEALMARK_LOG_LEVEL", "loud", "it must be 'DEBUG', 'INFO', 'WARNING' or 'ERROR', not \"loud\""),
    ],
)
def test_invalid_value_is_reported_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StartupError) as raised:
        load_settings()
    assert raised.value.message == f"{name} is not usable: {reason}."
    assert "hunter2" not in raised.value.message


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        ("postgres://user:p%40ss@host:5432/x", "postgresql://user:p%40ss@host:5432/x"),
        ("postgresql+asyncpg://host/x?sslmode=require", "postgresql://host/x?sslmode=require"),
        ("postgresql:///x?host=/run/postgresql", "postgresql:///x?host=/run/postgresql"),
        ("postgresql://a:b@[::1]:5432,other:5433/x", "postgresql://a:b@[::1]:5432,other:5433/x"),
    ],
)
def test_database_url_variants_are_normalized(given: str, understood: str) -> None:
    assert Settings(database_url=given).required_database_url == understood


def test_missing_required_url_is_reported_in_one_sentence() -> None:
    settings = Settings()
    with pytest.raises(StartupError, match=r"^DATABASE_URL is not set\. .+\.$"):
        _ = settings.required_database_url
    with pytest.raises(StartupError, match=r"^REDIS_URL is not set\. .+\.$"):
        _ = settings.required_redis_url


def test_webhook_url_requires_a_secret() -> None:
    assert Settings().webhooks == ()
    with pytest.raises(StartupError, match=r"^DEALMARK_WEBHOOK_URL is set, but DEALMARK_WEBHOOK_SECRET is not: .+\.$"):
        _ = Settings(webhook_url="https://receiver.example").webhooks


def test_webhook_urls_and_secrets_are_separated_by_spaces() -> None:
    urls, secrets = " https://b.example  http://a.example https://b.example ", "whsec_" + "QUJD" * 8
    settings = Settings(webhook_url=urls, webhook_secret=f"{secrets} whsec_{'AAAA' * 10}")
    assert settings.webhooks == ("https://b.example", "http://a.example")
    assert settings.webhook_keys == (b"ABC" * 8, bytes(30))
    assert secrets not in repr(settings)


def test_settings_are_frozen_and_hide_secrets() -> None:
    settings = Settings(jwt_secret="hunter2 " * 8, recalculation_at=time(3))
    assert "hunter2" not in repr(settings)
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1  # type: ignore[misc]


def test_no_other_module_reads_the_environment() -> None:
    readers = {
        str(path.relative_to(ROOT))
        for folder in ("app", "jobs", "migrations")
        for path in (ROOT / folder).rglob("*.py")
        if reads_environment(ast.parse(path.read_text()))
    }
    assert readers == {"app/settings.py", *PASSES_ENVIRONMENT_ON}


@pytest.mark.parametrize(
    "source", ["import os\nos.environ['X']", "import os as o\no.getenv('X')", "from os import environ"]
)
def test_reading_the_environment_is_detected(source: str) -> None:
    assert reads_environment(ast.parse(source))


def reads_environment(tree: ast.AST) -> bool:
    return any(
        (isinstance(node, ast.Attribute) and node.attr in ENVIRONMENT)
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and {a.name for a in node.names} & ENVIRONMENT)
        for node in ast.walk(tree)
    )


def test_unknown_variable_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    assert unknown_variables() == []
    monkeypatch.setenv("DEALMARK_RESPONSE_CASHE", "on")
    monkeypatch.setenv("DEALMARK_ELEPHANT", "on")
    monkeypatch.setenv("DEALMARK_PORT", "8001")
    assert unknown_variables() == [
        "DEALMARK_ELEPHANT is not a setting.",
        "DEALMARK_RESPONSE_CASHE is not a setting; did you mean DEALMARK_RESPONSE_CACHE.",
    ]
    monkeypatch.setenv("DEALMARK_PARENT_PIPE", "3")
    assert unknown_variables() == []
