"""All configuration, read from the environment once. Nothing else reads `os.environ`."""

from __future__ import annotations

import os
from base64 import b64decode
from datetime import time
from difflib import get_close_matches
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.core.errors import StartupError

KEY_PREFIX = "whsec_"
DocumentMode = Literal["required", "apq", "open"]


class Settings(BaseSettings):
    """One field per environment variable, `DEALMARK_` + its upper-case name (the two URLs carry no prefix)."""

    model_config = SettingsConfigDict(env_prefix="DEALMARK_", frozen=True, extra="ignore", env_ignore_empty=True)

    database_url: str | None = Field(
        default=None,
        validation_alias=AliasChoices("database_url", "DATABASE_URL"),
        description="PostgreSQL to use, `postgresql://user:password@host/name`; `dealmark up` can start its own",
    )
    redis_url: str | None = Field(
        default=None,
        validation_alias=AliasChoices("redis_url", "REDIS_URL"),
        description="Redis to use, `redis://host:6379/0`; `dealmark up` can start its own",
    )
    data_dir: Path = Field(
        default=Path(".dealmark"), description="Folder of the embedded servers and of the development secret"
    )
    host: str = Field(default="127.0.0.1", description="Address the API listens on")
    port: int = Field(default=8000, ge=1, le=65535, description="Port the API listens on")
    development: bool = Field(
        default=False,
        description="GraphiQL and introspection on, readable logs; `dealmark up` sets it unless told otherwise",
    )
    documents: DocumentMode | None = Field(
        default=None,
        description="`required`: published documents only; `apq`: clients may register theirs; `open`: any text. "
        "By default `open` in development, else `required`",
    )
    documents_report_only: bool = Field(
        default=False, description="With `required`: log what would be refused, and answer it all the same"
    )
    http_profile: Literal["audit", "2026-09"] = Field(
        default="audit",
        description="Status codes: those that the graphql-http audit expects, or GraphQL over HTTP 2026-09",
    )
    response_cache: Literal["on", "off"] = Field(
        default="on", description="Whether answers are kept in memory and Redis"
    )
    response_memory_mib: int = Field(default=64, ge=1, le=65536, description="Memory for answers per process, MiB")
    stale_grace_seconds: float = Field(
        default=300.0, ge=0, description="How long kept answers are still given, marked stale, while PostgreSQL is away"
    )
    cost_limit: int = Field(default=25_000, ge=1, description="Highest cost of one operation")
    request_seconds: float = Field(default=10.0, gt=0, description="Longest time that one operation may run")
    limit_persisted: str | None = Field(
        default=None,
        description="Requests per client for published documents that memory cannot answer, like `600/minute`",
    )
    limit_text: str | None = Field(default=None, description="Requests per client with a text of their own")
    limit_mutation: str | None = Field(default=None, description="Mutations per client")
    trusted_proxies: tuple[str, ...] = Field(
        default=(), description="Networks of proxies whose X-Forwarded-For is believed, as a JSON list"
    )
    log_format: Literal["console", "json"] | None = Field(
        default=None,
        description="Log lines for people or for machines; by default `console` in development, else `json`",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="Least level logged")
    jwt_secret: SecretStr | None = Field(
        default=None, description="HS256 secret that bearer tokens are signed with, at least 32 bytes"
    )
    jwt_jwks_url: str | None = Field(
        default=None, description="JWKS whose RS256/ES256 keys bearer tokens are signed with, instead of the secret"
    )
    jwt_issuer: str | None = Field(default=None, description="Required `iss` of tokens, when given")
    jwt_audience: str | None = Field(default=None, description="Required `aud` of tokens, when given")
    database_pool_size: int = Field(default=10, ge=2, le=200, description="Database connections per process")
    recalculation_at: time = Field(
        default=time(2, 30), description="Time (UTC, hours and minutes) of the nightly recalculation"
    )
    verification_at: time = Field(
        default=time(2, 15),
        description="Time (UTC, hours and minutes) of the nightly comparison of stored figures with computed ones",
    )
    clean_up_at: time = Field(
        default=time(2, 0), description="Time (UTC, hours and minutes) of the nightly deletion of what is too old"
    )
    keep_events_days: int = Field(
        default=30, ge=1, le=36_500, description="Days that changes of prices are kept for those who follow them"
    )
    keep_payloads_days: int = Field(
        default=30, ge=1, le=36_500, description="Days that imported pages are kept as they were fetched"
    )
    keep_imports_days: int = Field(
        default=90, ge=1, le=36_500, description="Days that finished imports are kept, and what became of their rows"
    )
    keep_jobs_days: int = Field(default=90, ge=1, le=36_500, description="Days that finished jobs are kept")
    missing_days: int = Field(
        default=7, ge=1, le=3650, description="Days after which a listing that is not found any more has ended"
    )
    change_pause_seconds: float = Field(
        default=0.25,
        ge=0,
        le=60,
        description="Least seconds between two batches of changed figures: each ends what caches know",
    )
    recalculation_batch_size: int = Field(
        default=1000, ge=1, le=100_000, description="CPUs written per savepoint in a recalculation"
    )
    sweep_seconds: float = Field(
        default=5.0, gt=0, le=60, description="Seconds until the worker notices that a job's message or worker was lost"
    )
    drain_seconds: float = Field(
        default=10.0, ge=0, description="Seconds that a stopping process lets running requests and jobs finish"
    )
    fetch_allow: tuple[str, ...] = Field(
        default=(),
        description="Hosts and networks that listings may be fetched from although they are not public, at any port, "
        "as a JSON list",
    )
    fetch_concurrency: int = Field(
        default=16, ge=1, le=500, description="Pages that one worker fetches at the same time"
    )
    fetch_per_host: int = Field(
        default=2, ge=1, le=100, description="Pages of one host that all workers together fetch at the same time"
    )
    fetch_pause_seconds: float = Field(
        default=0.5, ge=0, le=60, description="Least seconds between two requests to one host, by whichever worker"
    )
    fetch_retry_seconds: float = Field(
        default=5.0,
        gt=0,
        le=3600,
        description="Seconds until a page that could not be had is tried again; twice as many before each further try",
    )
    upload_kib: int = Field(
        default=4096, ge=1, le=65536, description="Largest request that brings a file (ingestBulk), KiB"
    )
    ebay_credentials: SecretStr | None = Field(
        default=None,
        description="`client id:client secret` of an eBay application: its items are read from the Browse API",
    )
    ebay_api_url: str = Field(default="https://api.ebay.com", description="Where the eBay API is, without a path")
    webhook_url: str | None = Field(
        default=None, description="Where changes of prices are delivered to; several URLs with spaces between them"
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="What deliveries are signed with: `whsec_` and 24 to 64 bytes in base64; several with spaces "
        "between them, to change from one to another",
    )
    parent_pipe: int | None = Field(
        default=None, description="Set by `dealmark up` for its children: they stop when this pipe closes"
    )

    @field_validator("jwt_secret")
    @classmethod
    def long_enough(cls, secret: SecretStr | None) -> SecretStr | None:
        """RFC 7518 section 3.2: an HS256 key must have at least the size of the hash output."""
        if secret is not None and len(secret.get_secret_value().encode()) < 32:
            raise ValueError("must be at least 32 bytes long")
        return secret

    @field_validator("ebay_credentials")
    @classmethod
    def is_a_pair(cls, credentials: SecretStr | None) -> SecretStr | None:
        """OAuth 2.0 client credentials, as HTTP Basic authentication has them."""
        if credentials is not None and not all(credentials.get_secret_value().partition(":")):
            raise ValueError("must be the client id and the client secret with a colon between them")
        return credentials

    @field_validator("webhook_url")
    @classmethod
    def are_urls(cls, urls: str | None) -> str | None:
        """The operator's own choice, so any host will do, in private networks, too."""
        for url in (urls or "").split():
            parts = urlsplit(url)  # raises ValueError that tells what is wrong with it
            if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
                raise ValueError("must be one or several URLs that begin with http:// or https://")
            if "@" in parts.netloc or parts.fragment:
                raise ValueError("must have no user, password or #fragment in it")
        return urls

    @field_validator("webhook_secret")
    @classmethod
    def are_keys(cls, secrets: SecretStr | None) -> SecretStr | None:
        """Standard Webhooks: the key is what follows the prefix, decoded."""
        if secrets is not None and not all(map(_is_key, secrets.get_secret_value().split() or [""])):
            raise ValueError("must be whsec_ and 24 to 64 bytes in base64")
        return secrets

    @field_validator("recalculation_at", "verification_at", "clean_up_at")
    @classmethod
    def is_utc_to_the_minute(cls, at: time) -> time:
        """The worker's clock goes by minutes of UTC; a zone would be ignored without a word."""
        if at.tzinfo or at.second or at.microsecond:
            raise ValueError("must be hours and minutes in UTC, like 02:30")
        return at

    @field_validator("database_url")
    @classmethod
    def is_postgresql(cls, url: str | None) -> str | None:
        """Only PostgreSQL will do; the driver is ours to choose, so it is not part of the setting."""
        if url is None:
            return None
        scheme, separator, rest = url.partition("://")
        if not separator or scheme.split("+")[0] not in {"postgres", "postgresql"}:
            raise ValueError("must look like postgresql://user:password@host:5432/name")
        for host in rest.partition("/")[0].rpartition("@")[2].split(","):
            _ = urlsplit(f"//{host}").port  # raises ValueError that tells what is wrong with it
        return f"postgresql://{rest}"

    @field_validator("redis_url")
    @classmethod
    def is_redis(cls, url: str | None) -> str | None:
        """The schemes that redis-py and arq both understand."""
        if url is not None and not url.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must look like redis://host:6379/0")
        return url

    @property
    def document_mode(self) -> DocumentMode:
        """The mode, its default resolved."""
        return self.documents or ("open" if self.development else "required")

    @property
    def required_database_url(self) -> str:
        """The database URL. Raises StartupError when there is none."""
        if self.database_url is None:
            raise StartupError(
                "DATABASE_URL is not set. Set it, or use `dealmark up`, which brings its own PostgreSQL."
            )
        return self.database_url

    @property
    def required_redis_url(self) -> str:
        """The Redis URL. Raises StartupError when there is none."""
        if self.redis_url is None:
            raise StartupError("REDIS_URL is not set. Set it, or use `dealmark up`, which brings its own Redis.")
        return self.redis_url

    @property
    def webhooks(self) -> tuple[str, ...]:
        """The URLs to deliver to. Raises StartupError when there is nothing to sign with."""
        if self.webhook_url and self.webhook_secret is None:
            raise StartupError(
                "DEALMARK_WEBHOOK_URL is set, and DEALMARK_WEBHOOK_SECRET is not: receivers could not tell who sent."
            )
        return tuple(dict.fromkeys((self.webhook_url or "").split()))

    @property
    def webhook_keys(self) -> tuple[bytes, ...]:
        """The keys to sign with."""
        secrets = self.webhook_secret.get_secret_value() if self.webhook_secret else ""
        return tuple(b64decode(each.removeprefix(KEY_PREFIX)) for each in secrets.split())


def _is_key(secret: str) -> bool:
    try:
        return secret.startswith(KEY_PREFIX) and 24 <= len(b64decode(secret[len(KEY_PREFIX) :], validate=True)) <= 64
    except ValueError:
        return False


def variable(field: str) -> str:
    """The environment variable of a setting."""
    return field.upper() if field in {"database_url", "redis_url"} else f"DEALMARK_{field.upper()}"


def unknown_variables() -> list[str]:
    """A sentence for each environment variable that looks like a setting and is none: a typo would change nothing."""
    known = [variable(field) for field in Settings.model_fields]
    if variable("parent_pipe") in os.environ:
        return []  # `dealmark up` has said it
    unknown = sorted(name for name in os.environ if name.startswith("DEALMARK_") and name not in known)
    return [f"{name} is no setting{_meant(name, known)}." for name in unknown]


def _meant(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, 1, 0.8)
    return f"; {close[0]} is" if close else ""


def load_settings() -> Settings:
    """Settings from the environment. Raises StartupError, one sentence, for the first value that cannot be used."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = variable(str(first["loc"][0]).lower())
        reason = (
            first["msg"].removeprefix("Value error, ").replace("Input should be", "it must be").split(", unable")[0]
        )
        given = "" if name == "DEALMARK_JWT_SECRET" or first["type"] == "value_error" else f', not "{first["input"]}"'
        raise StartupError(f"{name} is not usable: {reason}{given}.") from None
