"""The caller of a request and its role."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Role(IntEnum):
    """What a viewer may do; each role may do what the ones below it may."""

    VIEWER = 0
    OPERATOR = 1
    ADMIN = 2


@dataclass(frozen=True)
class Viewer:
    """Who asks. Without a token: nobody, with the role viewer."""

    subject: str | None = None
    role: Role = Role.VIEWER


NOBODY = Viewer()
