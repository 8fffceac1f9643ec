"""Split off app.graphql.context."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strawberry import Info as StrawberryInfo
if TYPE_CHECKING:
    from typing import TypeAlias

    Info: TypeAlias = StrawberryInfo["Context", None]


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
