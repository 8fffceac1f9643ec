"""Manifests of documents, as the clients' build tools write them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from app.core.errors import BadInput
from app.engine.document import HASH_PREFIX, content_id

MAX_MANIFEST = 64 * 1024 * 1024
MAX_ID = 256
APOLLO = "apollo-persisted-query-manifest"
# A prefix other than these is reserved by the specification of persisted documents; without one, an id is opaque.
ID_FORM = re.compile(r"sha256:[0-9a-f]{64}|x-[!-9;-~]*:[!-~]+|[!-9;-~]+")
HASH_FILE = re.compile(r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[^:]+:.+")


@dataclass(frozen=True)
class Entry:
    """A document as a manifest has it. `client` is named by manifests that serve several."""

    id: str
    text: str
    client: str | None = None


def read_manifest(path: Path) -> list[Entry]:
    """The documents of a manifest file, or of a folder of .graphql files. Raises BadInput, which names each culprit."""
    try:
        entries = list(_from_folder(path) if path.is_dir() else _from_json(path))
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from None
    if not entries:
        raise BadInput(f"{path} names no document.")
    texts: dict[str, str] = {}
    faults = []
    for entry in entries:
        fault = _fault(entry)
        if fault is None and texts.setdefault(entry.id, entry.text) != entry.text:
            fault = f"{entry.id} is the id of two different documents."
        if fault is not None:
            faults.append(fault)
    if faults:
        raise BadInput("\n".join(faults))
    return list(dict.fromkeys(entries))


def _fault(entry: Entry) -> str | None:
    """What is wrong with the id: no allowed form, or, being a hash by its prefix, not that of the text."""
    if len(entry.id) > MAX_ID or not ID_FORM.fullmatch(entry.id):
        forms = "sha256:<64 hex digits>, x-<name>:<id>, or an id without a colon"
        return f'"{entry.id[:80]}" is no id of a document: use {forms}.'
    if entry.id.startswith(HASH_PREFIX) and entry.id != content_id(entry.text):
        return f"{entry.id} is not the hash of its text, which is {content_id(entry.text)}."
    return None


def _from_json(path: Path) -> Iterator[Entry]:
    if path.stat().st_size > MAX_MANIFEST:
        raise BadInput(f"{path} is larger than {MAX_MANIFEST // 2**20} MiB: is it a manifest?")
    try:
        content = orjson.loads(path.read_bytes())
    except ValueError as error:
        raise BadInput(f"{path} is not JSON: {error}.") from None
    if not isinstance(content, dict):
        raise BadInput(f"{path} is not a manifest: it must be a JSON object.")
    yield from _apollo(path, content) if "operations" in content else _by_id(path, content)


def _apollo(path: Path, content: Mapping[str, Any]) -> Iterator[Entry]:
    """{"format", "version": 1, "operations": [{"id", "name", "type", "body", "clientName"?}]}"""
    if content.get("format") != APOLLO or content.get("version") != 1:
        raise BadInput(f"{path} has operations, but is not of the format {APOLLO}, version 1.")
    operations = content["operations"]
    if not isinstance(operations, list):
        raise BadInput(f"{path}: `operations` must be a list.")
    for number, operation in enumerate(operations):
        match operation:
            case {"id": str(identifier), "body": str(body)}:
                client = operation.get("clientName")
                yield Entry(identifier, body, client if isinstance(client, str) and client else None)
            case _:
                raise BadInput(f"{path}: operation {number} must have an `id` and a `body`, both strings.")


def _by_id(path: Path, content: Mapping[str, Any]) -> Iterator[Entry]:
    """{"<id>": "<text>"}: Relay's and graphql-codegen's."""
    for identifier, text in content.items():
        if not isinstance(text, str):
            raise BadInput(f"{path}: the document of {identifier[:80]} must be a string.")
        yield Entry(identifier, text)


def _from_folder(path: Path) -> Iterator[Entry]:
    """<id>.graphql has that id; Name.graphql has the hash of its text."""
    for file in sorted(path.glob("*.graphql")):
        try:
            text = file.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            raise BadInput(f"{file} is not encoded in UTF-8.") from None
        yield Entry(file.stem if HASH_FILE.fullmatch(file.stem) else content_id(text), text)
