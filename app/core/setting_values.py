"""Checks of setting values. Each raises ValueError with the end of a sentence: what is wrong and a right example.

The value is quoted unless it may contain a password or a key.
"""

from __future__ import annotations

import ipaddress
import json
import re
from base64 import b64decode
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from app.core.host_names import is_host_name, split_hosts_and_networks

NO_LIMIT = "off"
SECONDS_PER_UNIT = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
RATE_LIMIT = re.compile(rf"[1-9][0-9]{{0,8}}/(?:{'|'.join(SECONDS_PER_UNIT)})")
MIN_METRICS_TOKEN_LENGTH = 16
# RFC 6750 section 2.1: the characters of a bearer token.
BEARER_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
TIME_OF_DAY = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
WEBHOOK_KEY_PREFIX = "whsec_"


def parse_json_list(value: object) -> object:
    """Decode a JSON list of texts from an environment variable; other values are returned as they are."""
    if not isinstance(value, str):
        return value
    try:
        entries = json.loads(value)
    except (ValueError, RecursionError):
        entries = None
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise ValueError(f"must be a JSON list of texts, like [\"10.0.0.0/8\"], not '{value}'")
    return tuple(entries)


def check_fetch_allow(entries: tuple[str, ...]) -> tuple[str, ...]:
    """Require host names, addresses and networks."""
    split_hosts_and_networks(entries)
    return entries


def check_trusted_proxies(networks: tuple[str, ...]) -> tuple[str, ...]:
    """Require networks. A network of all addresses would allow every client to choose its own address."""
    for text in networks:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise ValueError(f'"{text}" is not a network like 10.0.0.0/8') from None
        if network.prefixlen == 0:
            raise ValueError(f'"{text}" trusts every client; list the networks of the proxies, like 10.0.0.0/8')
    return networks


def check_allowed_hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    """Require host names and addresses, without a port."""
    for host in hosts:
        if not is_host_name(host) and not _is_address(host):
            raise ValueError(f'"{host}" is not a lower-case host name or an address, without a port, like cpus.example')
    return hosts


def check_host(host: str) -> str:
    """Require an address or a host name to listen on."""
    if not is_host_name(host.lower()) and not _is_address(host):
        raise ValueError(f'must be an address or a host name without a port, like 0.0.0.0, not "{host}"')
    return host


def check_rate_limit(limit: str) -> str:
    """Require a number of requests per unit of time, or `off`."""
    if limit != NO_LIMIT and RATE_LIMIT.fullmatch(limit) is None:
        raise ValueError(
            f'must be a number per second, minute, hour or day, like 600/minute, or {NO_LIMIT}, not "{limit}"'
        )
    return limit


def check_jwks_url(url: str | None) -> str | None:
    """Require an HTTP URL."""
    if url is not None and not _is_http_url(url):
        actual = "" if "@" in url else f', not "{url}"'  # it may contain a password
        raise ValueError(f"must be a URL like https://login.example/.well-known/jwks.json{actual}")
    return url


def check_base_url(url: str) -> str:
    """Require an HTTP URL without a path."""
    if not _is_http_url(url) or (parts := urlsplit(url)).path.strip("/") or parts.query:
        raise ValueError(f'must be a URL without a path, like https://api.ebay.com, not "{url}"')
    return url


def check_claim(value: str | None) -> str | None:
    """Require text without surrounding spaces, because claims of tokens are compared exactly."""
    if value is not None and (not value.isprintable() or value != value.strip()):
        raise ValueError(f'must be text without spaces around it, like https://login.example, not "{value}"')
    return value


def check_metrics_token(token: SecretStr | None) -> SecretStr | None:
    """Require a bearer token that is too long to be guessed."""
    if token is not None:
        text = token.get_secret_value()
        if len(text) < MIN_METRICS_TOKEN_LENGTH or BEARER_TOKEN.fullmatch(text) is None:
            raise ValueError(
                f"must be at least {MIN_METRICS_TOKEN_LENGTH} letters, digits and characters of -._~+/, like the "
                "output of `openssl rand -hex 32`"
            )
    return token


def check_jwt_secret(secret: SecretStr | None) -> SecretStr | None:
    """Require 32 bytes: RFC 7518 section 3.2 requires a key of at least the size of the hash output."""
    if secret is not None and len(secret.get_secret_value().encode()) < 32:
        raise ValueError("must be at least 32 bytes long")
    return secret


def check_ebay_credentials(credentials: SecretStr | None) -> SecretStr | None:
    """Require OAuth 2.0 client credentials in the form of HTTP Basic authentication."""
    if credentials is not None and not all(credentials.get_secret_value().partition(":")):
        raise ValueError("must be the client id and the client secret with a colon between them")
    return credentials


def check_webhook_urls(urls: str | None) -> str | None:
    """Require HTTP URLs. Private networks are permitted, because the operator chooses these URLs."""
    for url in (urls or "").split():
        parts = urlsplit(url)  # raises ValueError with a message
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
            raise ValueError("must be one or several URLs that begin with http:// or https://")
        if "@" in parts.netloc or parts.fragment:
            raise ValueError("must have no user, password or #fragment in it")
    return urls


def check_webhook_keys(secrets: SecretStr | None) -> SecretStr | None:
    """Require keys of the Standard Webhooks specification: a prefix and the key in base64."""
    if secrets is not None and not all(map(_is_webhook_key, secrets.get_secret_value().split() or [""])):
        raise ValueError("must be whsec_ and 24 to 64 bytes in base64")
    return secrets


def check_time_of_day(value: object) -> object:
    """Require whole minutes without a time zone, because the worker's schedule is in minutes of UTC."""
    if isinstance(value, str) and TIME_OF_DAY.fullmatch(value) is None:
        raise ValueError(f'must be hours and minutes in UTC, like 02:30, not "{value}"')
    return value


def check_database_url(url: str | None) -> str | None:
    """Require a PostgreSQL URL, and remove SQLAlchemy's driver name from its scheme."""
    if url is None:
        return None
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.split("+")[0] not in {"postgres", "postgresql"}:
        raise ValueError("must look like postgresql://user:password@host:5432/name")
    for host in rest.partition("/")[0].rpartition("@")[2].split(","):
        _ = urlsplit(f"//{host}").port  # raises ValueError with a message
    return f"postgresql://{rest}"


def check_redis_url(url: str | None) -> str | None:
    """Require a scheme that both redis-py and arq support, and the number of a database."""
    if url is None:
        return None
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("must look like redis://host:6379/0")
    parts = urlsplit(url)
    _ = parts.port  # raises ValueError with a message
    if parts.scheme != "unix" and re.fullmatch(r"/?|/[0-9]+", parts.path) is None:
        raise ValueError("must end with the number of a database, like redis://host:6379/0")
    return url


def _is_http_url(url: str) -> bool:
    try:
        parts: SplitResult = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    is_plain = url.isprintable() and " " not in url and "@" not in parts.netloc and not parts.fragment
    return parts.scheme in {"http", "https"} and has_host and is_plain


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_webhook_key(secret: str) -> bool:
    try:
        return (
            secret.startswith(WEBHOOK_KEY_PREFIX)
            and 24 <= len(b64decode(secret[len(WEBHOOK_KEY_PREFIX) :], validate=True)) <= 64
        )
    except ValueError:
        return False
