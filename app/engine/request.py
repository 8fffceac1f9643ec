"""A GraphQL request, parsed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

NONE: Mapping[str, Any] = MappingProxyType({})

SHA256 = re.compile(r"[0-9a-f]{64}")


class Ask(NamedTuple):
    """One operation to run: a document by id, by the hash of an automatically persisted query, or by its text."""

    document_id: str | None = None
    apq_hash: str | None = None
    text: str | None = None
    operation_name: str | None = None
    variables: Mapping[str, Any] = NONE
    extensions: Mapping[str, Any] = NONE
    by_get: bool = False
    has_files: bool = False

    @property
    def persisted(self) -> bool:
        """Whether it names a document instead of, or beside, carrying its text."""
        return self.document_id is not None or self.apq_hash is not None

    @property
    def shows_cost(self) -> bool:
        """Whether the answer is to tell what it cost: `"extensions": {"cost": true}`."""
        return self.extensions.get("cost") is True
