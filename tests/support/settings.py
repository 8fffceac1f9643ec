"""Settings for tests, independent of the environment."""

from __future__ import annotations

from typing import Any

from app.settings import Settings

SECRET = "a secret that only the tests know, 32 bytes"


def make_settings(**values: Any) -> Settings:
    """Settings with these values and the tests' secret."""
    return Settings(**{"jwt_secret": SECRET, **values})
