"""Every parser of client input takes time and memory linear in the size of the input.

One request, message, file or page with an input that takes quadratic time stops a process for everybody.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tests.complexity.document_inputs import DOCUMENT_INPUTS
from tests.complexity.file_inputs import FILE_INPUTS
from tests.complexity.growth import ClientInput, check_memory, check_time
from tests.complexity.request_inputs import REQUEST_INPUTS
from tests.support.effort import size_of
from tests.support.paths import ROOT

INPUTS = [*REQUEST_INPUTS, *DOCUMENT_INPUTS, *FILE_INPUTS]

# Where client input is read, and what functions that do so are called.
PARSING_FOLDERS = ("bulk_import", "core", "db", "engine", "ingestion", "market", "server", "titles")
PARSER_NAME = re.compile(
    r"_?(?:parse|read(?!y)|decode|tokenize|negotiate|coerce|unquote|normalize|find_flags|etag_matches)"
)
# Functions with such a name that read output of the server, files of the operator or replies of services, or input that
# another function has read or limited.
OTHER_FUNCTIONS = {
    "app/bulk_import/staging.py": {"parse_number_sql"},
    "app/bulk_import/text_decoding.py": {"decode_text"},
    "app/db/pagination.py": {"parse_page_arguments", "_coerce", "_coerce_decimal"},
    "app/engine/compiler/codegen.py": {"_coerce_scalar", "coerce"},
    "app/engine/compiler/completion.py": {"_coerce_leaf"},
    "app/engine/compiler/resolver_binding.py": {"coerce_arguments"},
    "app/ingestion/extract/ebay.py": {"_parse_amount", "_parse_status", "_parse_json", "read_offers"},
    "app/ingestion/extract/protocols.py": {"read_offers"},
    "app/ingestion/fetch/fetcher.py": {"_read_page", "_read_body"},
    "app/server/graphql_http.py": {"_read_request", "_read_body"},
    "app/server/http_protocol.py": {"_parse"},  # tests/abuse sends bytes to a real server
    "app/server/jwks.py": {"parse_key_set"},
    "app/server/rate_limits.py": {"parse"},
    "app/server/websocket_protocol.py": {"_parse_slice", "_parse_next_slice"},
    "app/server/static_files.py": {"_read_build", "_read_file"},
}


@pytest.mark.sized
@pytest.mark.parametrize("measured", INPUTS, ids=str)
def test_time_is_linear_in_the_size_of(measured: ClientInput) -> None:
    assert check_time(measured) is None


@pytest.mark.sized
@pytest.mark.parametrize("measured", INPUTS, ids=str)
def test_memory_is_linear_in_the_size_of(measured: ClientInput) -> None:
    assert check_memory(measured) is None


def test_check_time_of_a_quadratic_parser_complains() -> None:
    def find_repeated(names: list[int]) -> object:
        return next((name for name in names if names.count(name) > 1), None)

    largest = size_of(short=256_000, long=64_000, soak=8_000)
    complaint = check_time(ClientInput("names", find_repeated, lambda size: list(range(size)), largest))
    assert complaint is not None
    assert complaint.startswith("names: the time grows with the power")


def test_check_memory_of_a_quadratic_parser_complains() -> None:
    largest = size_of(short=512_000, long=128_000, soak=16_000)
    complaint = check_memory(ClientInput("names", lambda size: bytearray(size**2), lambda size: size, largest))
    assert complaint is not None
    assert complaint.startswith("names: the memory grows with the power")


def test_every_parser_of_client_input_is_measured() -> None:
    called: set[tuple[str, str]] = set()

    def record(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            called.add((frame.f_code.co_filename, frame.f_code.co_name))

    sys.setprofile(record)
    try:
        for measured in INPUTS:
            measured.parse(measured.create(min(measured.largest, 100)))
    finally:
        sys.setprofile(None)
    forgotten = [f"{path}: {name}" for path, name in _parsers() if (str(ROOT / path), name) not in called]
    assert forgotten == []


def _parsers() -> Iterator[tuple[Path, str]]:
    """Yield the functions and methods whose names say that they read something."""
    for folder in PARSING_FOLDERS:
        for path in sorted((ROOT / "app" / folder).rglob("*.py")):
            relative = path.relative_to(ROOT)
            for node in ast.walk(ast.parse(path.read_text())):
                if (
                    isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
                    and PARSER_NAME.match(node.name)
                    and node.name not in OTHER_FUNCTIONS.get(str(relative), ())
                ):
                    yield relative, node.name
