"""Readers for document manifests, in the formats of client build tools."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from app.core.errors import BadInput
from app.engine.document import HASH_PREFIX, content_id

MAX_MANIFEST_BYTES = 64 * 1024 * 1024
MAX_ID_LENGTH = 256
APOLLO_FORMAT = "apollo-persisted-query-manifest"
# The specification of persisted documents reserves all other prefixes. An id without a prefix is opaque.
VALID_ID = re.compile(r"sha256:[0-9a-f]{64}|x-[!-9;-~]*:[!-~]+|[!-9;-~]+")
ID_FILE_STEM = re.compile(r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[^:]+:.+")


@dataclass(frozen=True)
class ManifestEntry:
    """A document of a manifest. `client` is only set by manifests of several clients."""

    id: str
    text: str
    client: str | None = None


def read_manifest(path: Path) -> list[ManifestEntry]:
    """Return the documents of a manifest file, or of a folder of .graphql files.

    Raises BadInput that names each invalid document.
    """
    try:
        entries = list(_read_folder(path) if path.is_dir() else _read_json(path))
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from None
    if not entries:
        raise BadInput(f"{path} has no documents.")
    texts: dict[str, str] = {}
    errors = []
    for entry in entries:
        message = _id_error(entry)
        if message is None and texts.setdefault(entry.id, entry.text) != entry.text:
            message = f"{entry.id} is the id of two different documents."
        if message is not None:
            errors.append(message)
    if errors:
        raise BadInput("\n".join(errors))
    return list(dict.fromkeys(entries))


def _id_error(entry: ManifestEntry) -> str | None:
    """Return the error in an id: an invalid form, or a hash that is not the hash of the text."""
    if len(entry.id) > MAX_ID_LENGTH or not VALID_ID.fullmatch(entry.id):
        forms = "sha256:<64 hex digits>, x-<name>:<id>, or an id without a colon"
        return f'"{entry.id[:80]}" is not a valid document id: use {forms}.'
    if entry.id.startswith(HASH_PREFIX) and entry.id != content_id(entry.text):
        return f"{entry.id} is not the hash of its text, which is {content_id(entry.text)}."
    return None


def _read_json(path: Path) -> Iterator[ManifestEntry]:
    if path.stat().st_size > MAX_MANIFEST_BYTES:
        raise BadInput(f"{path} is larger than {MAX_MANIFEST_BYTES // 2**20} MiB: is it a manifest?")
    try:
        content = orjson.loads(path.read_bytes())
    except ValueError as error:
        raise BadInput(f"{path} is not JSON: {error}.") from None
    if not isinstance(content, dict):
        raise BadInput(f"{path} is not a manifest: it must be a JSON object.")
    yield from _read_apollo(path, content) if "operations" in content else _read_texts_by_id(path, content)


def _read_apollo(path: Path, content: Mapping[str, Any]) -> Iterator[ManifestEntry]:
    """Read {"format", "version": 1, "operations": [{"id", "name", "type", "body", "clientName"?}]}."""
    if content.get("format") != APOLLO_FORMAT or content.get("version") != 1:
        raise BadInput(f"{path} has operations, but is not of the format {APOLLO_FORMAT}, version 1.")
    operations = content["operations"]
    if not isinstance(operations, list):
        raise BadInput(f"{path}: `operations` must be a list.")
    for number, operation in enumerate(operations):
        match operation:
            case {"id": str(document_id), "body": str(body)}:
                client = operation.get("clientName")
                yield ManifestEntry(document_id, body, client if isinstance(client, str) and client else None)
            case _:
                raise BadInput(f"{path}: operation {number} must have an `id` and a `body`, both strings.")


def _read_texts_by_id(path: Path, content: Mapping[str, Any]) -> Iterator[ManifestEntry]:
    """Read {"<id>": "<text>"}, the format of Relay and GraphQL Code Generator."""
    for document_id, text in content.items():
        if not isinstance(text, str):
            raise BadInput(f"{path}: the document of {document_id[:80]} must be a string.")
        yield ManifestEntry(document_id, text)


def _read_folder(path: Path) -> Iterator[ManifestEntry]:
    """Read .graphql files. A file name that is a hash or has a prefix is the id; otherwise it is the text's hash."""
    for file in sorted(path.glob("*.graphql")):
        try:
            text = file.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            raise BadInput(f"{file} is not encoded in UTF-8.") from None
        yield ManifestEntry(file.stem if ID_FILE_STEM.fullmatch(file.stem) else content_id(text), text)
