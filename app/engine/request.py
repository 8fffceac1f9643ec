"""A parsed GraphQL request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

EMPTY: Mapping[str, Any] = MappingProxyType({})

SHA256_HEX = re.compile(r"[0-9a-f]{64}")


class GraphQLRequest(NamedTuple):
    """A request to execute one operation.

    The document is given by its id, by the SHA-256 hash of an automatically persisted query, by its text, or by a hash
    and the text. `is_get`: the HTTP method is GET. `has_files`: variables contain uploaded files.
    """

    document_id: str | None = None
    apq_hash: str | None = None
    text: str | None = None
    operation_name: str | None = None
    variables: Mapping[str, Any] = EMPTY
    extensions: Mapping[str, Any] = EMPTY
    is_get: bool = False
    has_files: bool = False

    @property
    def is_persisted(self) -> bool:
        """Whether the document is given by id or hash, with or without its text."""
        return self.document_id is not None or self.apq_hash is not None

    @property
    def requests_cost(self) -> bool:
        """Whether the response should contain the cost, requested by `"extensions": {"cost": true}`."""
        return self.extensions.get("cost") is True
