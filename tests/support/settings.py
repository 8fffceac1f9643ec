"""Settings for tests, independent of the environment."""

from __future__ import annotations

from typing import Any

from app.settings import Settings

SECRET = "a secret that only the tests know, 32 bytes"


def make_settings(**values: Any) -> Settings:
    """Create settings with these values and the secret of the tests, by default without limits per client."""
    return Settings(**{"jwt_secret": SECRET, "client_limits": "off", **values})
