"""Options for uvicorn: how `dealmark serve` and the tests run the API."""

from __future__ import annotations

from functools import partial
from typing import Any

from app.server.connection_table import ConnectionTable
from app.server.http_protocol import HttpProtocol
from app.settings import Settings

MAX_WEBSOCKET_MESSAGE_BYTES = 256 * 1024


def uvicorn_options(settings: Settings) -> dict[str, Any]:
    """Return keyword arguments for `uvicorn.Config`, besides the address."""
    return {
        "http": partial(HttpProtocol, table=ConnectionTable(settings)),
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,  # X-Forwarded-For is only used behind `trusted_proxies`, see client_address.py
        "ws_max_size": MAX_WEBSOCKET_MESSAGE_BYTES,
        # Messages are small, and a compressed one can be a thousand times larger than what the client sent.
        "ws_per_message_deflate": False,
        "timeout_graceful_shutdown": round(settings.shutdown_timeout_seconds),
    }
