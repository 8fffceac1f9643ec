"""The reference lists every limit on what clients can send and on what memory keeps for them."""

from __future__ import annotations

import ast
import re

from app.settings import Settings
from scripts.generate_reference import limits_by_section
from scripts.source_facts import parse_sources
from tests.docs.pages import ROOT

LIMITED_FOLDERS = ("app/cache/", "app/core/", "app/documents/", "app/engine/", "app/server/")
LIMIT_SETTING = re.compile(r"max_\w+|rate_limit_\w+|\w+_timeout_seconds|cost_limit|response_memory_mib")
# Constants that are no limits: ranges of types, layout, and intervals of checks.
OTHERS = {
    "app.core.host_names:MAX_HOST_LENGTH",
    "app.documents.list_sql:MAX_INT",
    "app.engine.compiler.runtime:MAX_SEQUENTIAL_AWAITS",
    "app.engine.cost:MAX_INT",
    "app.engine.explain:MAX_LINE_LENGTH",
    "app.engine.field_merging:MAX_QUOTED_LENGTH",
    "app.engine.field_merging:MAX_QUOTED_LEVELS",
    "app.server.authentication:MAX_EXPIRATION",
    "app.server.connection_table:MAX_CHECK_INTERVAL_SECONDS",
    "app.server.jwks:MAX_RSA_EXPONENT",
    "shutdown_timeout_seconds",
}


def defined_limits() -> set[str]:
    """Return the settings and the constants of the server that are limits."""
    constants = {
        f"{path.removesuffix('.py').replace('/', '.')}:{target.id}"
        for path, tree in parse_sources(ROOT).items()
        if path.startswith(LIMITED_FOLDERS)
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id.startswith("MAX_")
    }
    return constants | {name for name in Settings.model_fields if LIMIT_SETTING.fullmatch(name)}


def test_reference_lists_every_limit() -> None:
    listed = {definition for limits in limits_by_section().values() for _, definition, _ in limits}
    assert defined_limits() - OTHERS - listed == set(), "add them to scripts/limits.toml, or to OTHERS"


def test_no_limit_is_listed_twice() -> None:
    listed = [definition for limits in limits_by_section().values() for _, definition, _ in limits]
    assert len(listed) == len(set(listed))
