"""Settings, read from environment variables. No other module reads `os.environ`."""

from __future__ import annotations

import os
from base64 import b64decode
from datetime import time
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.core import setting_values as values
from app.core.errors import StartupError

DocumentMode = Literal["required", "apq", "open"]
# Decoded by a validator, whose error names the variable.
JsonList = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """One field per environment variable: `DEALMARK_` + the upper-case name, except DATABASE_URL and REDIS_URL."""

    model_config = SettingsConfigDict(
        env_prefix="DEALMARK_", frozen=True, extra="ignore", env_ignore_empty=True, allow_inf_nan=False
    )

    database_url: str | None = Field(
        default=None,
        validation_alias=AliasChoices("database_url", "DATABASE_URL"),
        description="URL of PostgreSQL, `postgresql://user:password@host/name`. Unset: `dealmark up` starts its own",
    )
    redis_url: str | None = Field(
        default=None,
        validation_alias=AliasChoices("redis_url", "REDIS_URL"),
        description="URL of Redis, `redis://host:6379/0`. Unset: `dealmark up` starts its own",
    )
    data_dir: Path = Field(
        default=Path(".dealmark"),
        description="Directory of the embedded PostgreSQL and Redis, and of the development secret",
    )
    host: str = Field(default="127.0.0.1", description="Address on which the API listens")
    port: int = Field(default=8000, ge=1, le=65535, description="Port on which the API listens")
    development: bool = Field(
        default=False,
        description="Enable GraphiQL and introspection, and write readable logs. Unset: `dealmark up` enables it",
    )
    documents: DocumentMode | None = Field(
        default=None,
        description="Which GraphQL documents are executed. `required`: published documents only; `apq`: clients may "
        "also register documents by their hash; `open`: any document. Unset: `open` in development, else `required`",
    )
    documents_report_only: bool = Field(
        default=False,
        description="In mode `required`, execute unpublished documents and log that they would be rejected",
    )
    http_profile: Literal["audit", "2026-09"] = Field(
        default="audit",
        description="HTTP status codes of errors. `audit`: as the graphql-http audit expects; `2026-09`: as in the "
        "draft 2026-09 of GraphQL over HTTP",
    )
    response_cache: Literal["on", "off"] = Field(
        default="on", description="Whether responses are cached in memory and in Redis"
    )
    response_memory_mib: int = Field(
        default=64, ge=1, le=65536, description="Memory for cached responses, in MiB per process"
    )
    stale_grace_seconds: float = Field(
        default=300.0,
        ge=0,
        le=86_400,
        description="How long cached responses are still sent, marked as stale, while PostgreSQL is unavailable, in "
        "seconds. 0: never",
    )
    cost_limit: int = Field(default=25_000, ge=1, le=1_000_000_000, description="Maximum cost of one operation")
    request_timeout_seconds: float = Field(
        default=10.0, gt=0, le=3600, description="Maximum duration of one operation, in seconds"
    )
    client_limits: Literal["on", "off"] | None = Field(
        default=None,
        description="Whether the limits per client apply: rates, connections and subscriptions. Unset: `off` in "
        "development, else `on`",
    )
    rate_limit_persisted: str = Field(
        default="6000/minute",
        description="Rate limit per client for published documents. Responses from the memory cache are not counted. "
        "`off`: no limit",
    )
    rate_limit_ad_hoc: str = Field(
        default="600/minute", description="Rate limit per client for other documents. `off`: no limit"
    )
    rate_limit_new_document: str = Field(
        default="120/minute",
        description="Rate limit per client for documents that a process must parse and compile first. `off`: no limit",
    )
    rate_limit_mutation: str = Field(
        default="300/minute", description="Rate limit per client for mutations without files. `off`: no limit"
    )
    rate_limit_upload: str = Field(
        default="60/minute", description="Rate limit per client for requests with a file upload. `off`: no limit"
    )
    rate_limit_subscription: str = Field(
        default="600/minute", description="Rate limit per client for starting subscriptions. `off`: no limit"
    )
    max_subscriptions: int = Field(
        default=2_000, ge=1, le=1_000_000, description="Maximum number of active subscriptions per process"
    )
    max_subscriptions_per_client: int = Field(
        default=100, ge=1, le=1_000_000, description="Maximum number of active subscriptions of one client per process"
    )
    max_connections: int = Field(
        default=4_000,
        ge=1,
        le=1_000_000,
        description="Maximum number of open client connections per process. The limit of open files lowers it",
    )
    max_connections_per_client: int = Field(
        default=200,
        ge=1,
        le=1_000_000,
        description="Maximum number of open connections of one client per process. Trusted proxies are exempt",
    )
    header_timeout_seconds: float = Field(
        default=10.0,
        gt=0,
        le=3600,
        description="How long a client may take to send the complete header of a request, in seconds",
    )
    idle_timeout_seconds: float = Field(
        default=75.0,
        gt=0,
        le=86_400,
        description="After how long a connection without a request is closed, in seconds. Longer than the keep-alive "
        "time of the proxies in front",
    )
    write_timeout_seconds: float = Field(
        default=30.0,
        gt=0,
        le=3600,
        description="After how long a connection is closed whose client reads nothing that is sent, in seconds",
    )
    metrics_token: SecretStr | None = Field(
        default=None,
        description="Bearer token for reading /metrics. Unset: open in development, otherwise closed",
    )
    trusted_proxies: JsonList = Field(
        default=(),
        description="Networks of trusted proxies, from which X-Forwarded-For is accepted, as a JSON list. Empty: none",
    )
    allowed_hosts: JsonList = Field(
        default=(),
        description="Host names and addresses that clients may use in the `Host` header, as a JSON list. Empty: in "
        "development those of this machine and DEALMARK_HOST, otherwise all",
    )
    log_format: Literal["console", "json"] | None = Field(
        default=None,
        description="Format of log lines: `console` or `json`. Unset: `console` in development, else `json`",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Minimum level of log lines"
    )
    jwt_secret: SecretStr | None = Field(
        default=None,
        description="HS256 secret for verifying bearer tokens, at least 32 bytes. Unset: no token is accepted, unless "
        "DEALMARK_JWT_JWKS_URL is set",
    )
    jwt_jwks_url: str | None = Field(
        default=None,
        description="URL of the JWKS with the RS256, ES256 or EdDSA keys for verifying bearer tokens; it replaces the "
        "secret",
    )
    jwt_issuer: str | None = Field(default=None, description="Required `iss` claim of tokens. Unset: not checked")
    jwt_audience: str | None = Field(default=None, description="Required `aud` claim of tokens. Unset: not checked")
    database_pool_size: int = Field(
        default=10,
        ge=2,
        le=200,
        description="Maximum number of database connections per pool. Each process has two pools, one for reads and "
        "one for writes",
    )
    recalculation_at: time = Field(default=time(2, 30), description="Time of the nightly recalculation, HH:MM in UTC")
    verification_at: time = Field(
        default=time(2, 15),
        description="Time of the nightly verification, which compares stored figures with computed ones, HH:MM in UTC",
    )
    clean_up_at: time = Field(
        default=time(2, 0), description="Time of the nightly deletion of expired data, HH:MM in UTC"
    )
    events_retention_days: int = Field(
        default=30, ge=1, le=36_500, description="How long price changes are kept for subscribers and webhooks, in days"
    )
    payloads_retention_days: int = Field(
        default=30, ge=1, le=36_500, description="How long the content of imported pages is kept, in days"
    )
    imports_retention_days: int = Field(
        default=90, ge=1, le=36_500, description="How long finished imports and their results are kept, in days"
    )
    jobs_retention_days: int = Field(
        default=90, ge=1, le=36_500, description="How long finished jobs are kept, in days"
    )
    listing_expiry_days: int = Field(
        default=7, ge=1, le=3650, description="After how many days a missing listing is marked as ended"
    )
    change_log_min_interval_seconds: float = Field(
        default=0.25,
        ge=0,
        le=60,
        description="Minimum interval between recalculation batches, in seconds. Each batch invalidates cached "
        "responses",
    )
    recalculation_batch_size: int = Field(
        default=1000, ge=1, le=100_000, description="Number of CPUs written per savepoint of a recalculation"
    )
    poll_interval_seconds: float = Field(
        default=5.0,
        gt=0,
        le=60,
        description="Interval in which workers look for jobs with a lost message or a dead worker, in seconds",
    )
    shutdown_timeout_seconds: float = Field(
        default=10.0, ge=0, le=3600, description="How long a stopping process waits for requests and jobs, in seconds"
    )
    fetch_allow: JsonList = Field(
        default=(),
        description="Hosts and networks from which listings are fetched although they are not public, on any port, as "
        "a JSON list. Empty: public hosts only",
    )
    fetch_concurrency: int = Field(
        default=16, ge=1, le=500, description="Maximum number of concurrent page fetches per worker"
    )
    fetch_host_concurrency: int = Field(
        default=2, ge=1, le=100, description="Maximum number of concurrent page fetches per host, by all workers"
    )
    fetch_host_delay_seconds: float = Field(
        default=0.5,
        ge=0,
        le=60,
        description="Minimum interval between two requests to one host, by all workers together, in seconds",
    )
    fetch_retry_delay_seconds: float = Field(
        default=5.0,
        gt=0,
        le=3600,
        description="Delay before the first retry of a failed page fetch, in seconds. It doubles with each retry",
    )
    max_upload_kib: int = Field(
        default=4096, ge=1, le=65536, description="Maximum size of a request with a file upload, in KiB"
    )
    ebay_credentials: SecretStr | None = Field(
        default=None,
        description="`client id:client secret` of an eBay application, for reading items from the Browse API. Unset: "
        "items are read from their web pages",
    )
    ebay_api_url: str = Field(default="https://api.ebay.com", description="Base URL of the eBay API, without a path")
    webhook_url: str | None = Field(
        default=None,
        description="URL to which price changes are delivered; several are separated by spaces. Unset: no deliveries",
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="Key for signing deliveries, `whsec_` and 24 to 64 bytes in base64. Several keys, separated by "
        "spaces, sign each delivery several times, for key rotation",
    )
    parent_pipe: int | None = Field(
        default=None,
        description="File descriptor that `dealmark up` passes to its child processes, which stop when it is closed",
    )

    _lists = field_validator("trusted_proxies", "fetch_allow", "allowed_hosts", mode="before")(values.parse_json_list)
    _trusted_proxies = field_validator("trusted_proxies")(values.check_trusted_proxies)
    _fetch_allow = field_validator("fetch_allow")(values.check_fetch_allow)
    _allowed_hosts = field_validator("allowed_hosts")(values.check_allowed_hosts)
    _host = field_validator("host")(values.check_host)
    _rate_limits = field_validator(
        "rate_limit_persisted",
        "rate_limit_ad_hoc",
        "rate_limit_new_document",
        "rate_limit_mutation",
        "rate_limit_upload",
        "rate_limit_subscription",
    )(values.check_rate_limit)
    _jwt_secret = field_validator("jwt_secret")(values.check_jwt_secret)
    _jwks_url = field_validator("jwt_jwks_url")(values.check_jwks_url)
    _claims = field_validator("jwt_issuer", "jwt_audience")(values.check_claim)
    _metrics_token = field_validator("metrics_token")(values.check_metrics_token)
    _ebay_credentials = field_validator("ebay_credentials")(values.check_ebay_credentials)
    _ebay_api_url = field_validator("ebay_api_url")(values.check_base_url)
    _webhook_urls = field_validator("webhook_url")(values.check_webhook_urls)
    _webhook_keys = field_validator("webhook_secret")(values.check_webhook_keys)
    _times_of_day = field_validator("recalculation_at", "verification_at", "clean_up_at", mode="before")(
        values.check_time_of_day
    )
    _database_url = field_validator("database_url")(values.check_database_url)
    _redis_url = field_validator("redis_url")(values.check_redis_url)

    @property
    def document_mode(self) -> DocumentMode:
        """The document mode, with the default applied."""
        return self.documents or ("open" if self.development else "required")

    @property
    def client_limits_apply(self) -> bool:
        """Whether the limits per client apply, with the default applied."""
        return (self.client_limits or ("off" if self.development else "on")) == "on"

    @property
    def required_database_url(self) -> str:
        """The database URL. Raises StartupError if it is not set."""
        if self.database_url is None:
            raise StartupError(
                "DATABASE_URL is not set. Set it, or use `dealmark up`, which starts its own PostgreSQL."
            )
        return self.database_url

    @property
    def required_redis_url(self) -> str:
        """The Redis URL. Raises StartupError if it is not set."""
        if self.redis_url is None:
            raise StartupError("REDIS_URL is not set. Set it, or use `dealmark up`, which starts its own Redis.")
        return self.redis_url

    def require_servers(self) -> None:
        """Check that the URLs of PostgreSQL and Redis are set. Raises StartupError if one is missing."""
        _ = self.required_database_url, self.required_redis_url

    @property
    def webhooks(self) -> tuple[str, ...]:
        """The webhook URLs, without duplicates. Raises StartupError if there is no key for signing."""
        if self.webhook_url and self.webhook_secret is None:
            raise StartupError(
                "DEALMARK_WEBHOOK_URL is set, but DEALMARK_WEBHOOK_SECRET is not: receivers cannot verify the sender."
            )
        return tuple(dict.fromkeys((self.webhook_url or "").split()))

    @property
    def webhook_keys(self) -> tuple[bytes, ...]:
        """The decoded keys for signing deliveries."""
        secrets = self.webhook_secret.get_secret_value() if self.webhook_secret else ""
        return tuple(b64decode(secret.removeprefix(values.WEBHOOK_KEY_PREFIX)) for secret in secrets.split())


def environment_variable(field: str) -> str:
    """Return the environment variable of a setting."""
    return field.upper() if field in {"database_url", "redis_url"} else f"DEALMARK_{field.upper()}"


def unknown_variables() -> list[str]:
    """Return a warning for each environment variable with the prefix that is not a setting, because of a typo."""
    known = [environment_variable(field) for field in Settings.model_fields]
    if environment_variable("parent_pipe") in os.environ:
        return []  # a child of `dealmark up`, which has printed the warnings
    unknown = sorted(name for name in os.environ if name.startswith("DEALMARK_") and name not in known)
    return [f"{name} is not a setting{_suggestion(name, known)}." for name in unknown]


def _suggestion(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1, cutoff=0.8)
    return f"; did you mean {close[0]}" if close else ""


def load_settings() -> Settings:
    """Read the settings from the environment. Raise StartupError for the first invalid value."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = environment_variable(str(first["loc"][0]).lower())
        reason = (
            first["msg"].removeprefix("Value error, ").replace("Input should be", "it must be").split(", unable")[0]
        )
        actual = "" if name == "DEALMARK_JWT_SECRET" or first["type"] == "value_error" else f', not "{first["input"]}"'
        raise StartupError(f"{name} is not usable: {reason}{actual}.") from None
