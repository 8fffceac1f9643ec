"""The caller of a request and its role."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum


class Role(IntEnum):
    """Role of a viewer; each role includes the rights of the lower ones."""

    VIEWER = 0
    OPERATOR = 1
    ADMIN = 2


@dataclass(frozen=True)
class Viewer:
    """The caller of a request. `subject` is None without a token.

    `expires_at`: when the token is no longer accepted, in seconds since the epoch.
    """

    subject: str | None = None
    role: Role = Role.VIEWER
    expires_at: float | None = field(default=None, compare=False)

    @property
    def requested_by(self) -> str:
        """Name that jobs and imports of this viewer are stored with."""
        return self.subject or "unknown"


ANONYMOUS = Viewer()
