"""Manifests of build tools, and errors in them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.core.errors import BadInput
from app.documents.manifests import ManifestEntry, read_manifest
from app.engine.document import content_id

VECTOR = "query($id:ID!){user(id:$id){name}}"
VECTOR_ID = "sha256:71f7dc5758652baac68e4a10c50be732b741c892ade2883a99358f52b555286b"
TEXT = "query A { statistics { total } }"
MD5, SHA1, SHA256 = (hashlib.new(name, TEXT.encode()).hexdigest() for name in ("md5", "sha1", "sha256"))


def apollo(*operations: dict[str, Any], **other: Any) -> dict[str, Any]:
    return {"format": "apollo-persisted-query-manifest", "version": 1, "operations": operations, **other}


def entries_of(tmp_path: Path, content: object) -> list[ManifestEntry]:
    path = tmp_path / "manifest.json"
    path.write_bytes(content if isinstance(content, bytes) else orjson.dumps(content))
    return read_manifest(path)


def test_content_id_of_the_specification_example() -> None:
    assert content_id(VECTOR) == VECTOR_ID
    assert content_id("\ud800") != content_id("\ud801"), "half characters do no harm"
    assert content_id("é 中") == "sha256:" + hashlib.sha256("é 中".encode()).hexdigest()


def test_apollo_manifest_is_read(tmp_path: Path) -> None:
    operation = {"id": SHA256, "name": "A", "type": "query", "body": TEXT}
    other = {**operation, "id": "another", "clientName": "ios"}
    assert entries_of(tmp_path, apollo(operation, other, operation)) == [
        ManifestEntry(SHA256, TEXT),
        ManifestEntry("another", TEXT, "ios"),
    ]


@pytest.mark.parametrize(
    "identifier", [MD5, SHA1, SHA256, f"sha256:{SHA256}", "x-ours:a:b", "x-:1", "CpuList", "a/b=="]
)
def test_manifest_of_texts_by_id_is_read(tmp_path: Path, identifier: str) -> None:
    """An id without a colon is opaque and may be any text."""
    assert entries_of(tmp_path, {identifier: TEXT}) == [ManifestEntry(identifier, TEXT)]


def test_folder_of_graphql_files_is_read(tmp_path: Path) -> None:
    for name in (MD5, SHA1, "A", "x-ours:1", f"sha256:{SHA256}"):
        (tmp_path / f"{name}.graphql").write_text(TEXT)
    (tmp_path / "README.md").write_text("not a document")
    found = {entry.id for entry in read_manifest(tmp_path)}
    assert found == {MD5, SHA1, "x-ours:1", f"sha256:{SHA256}"}


OPERATION = {"id": "a", "name": "A", "type": "query", "body": TEXT}
FAULTS: dict[str, tuple[object, str]] = {
    "not JSON": (b"{", " is not JSON: "),
    "a list": ([TEXT], "must be a JSON object"),
    "empty": ({}, "has no documents"),
    "another version": (apollo(OPERATION, version=2), "not of the format apollo-persisted-query-manifest, version 1"),
    "another format": (apollo(OPERATION, format="x"), "not of the format"),
    "no list": (apollo() | {"operations": {}}, "`operations` must be a list"),
    "no body": (apollo(OPERATION, {"id": "b"}), "operation 1 must have an `id` and a `body`"),
    "no text": ({"a": {"text": TEXT}}, "the document of a must be a string"),
    "two texts": (apollo(OPERATION, {**OPERATION, "body": "{ x }"}), "a is the id of two different documents"),
    "another hash": ({VECTOR_ID: TEXT}, f"is not the hash of its text, which is sha256:{SHA256}"),
    "upper case": ({f"sha256:{SHA256.upper()}": TEXT}, "is not a valid document id"),
    "too short": ({"sha256:12": TEXT}, "is not a valid document id"),
    "reserved prefix": ({f"md5:{MD5}": TEXT}, '"md5:'),
    "reserved, upper case": ({"X-ours:1": TEXT}, "is not a valid document id"),
    "blank": ({"a b": TEXT}, "is not a valid document id"),
    "nothing": ({"": TEXT}, "is not a valid document id"),
    "too long": ({"a" * 257: TEXT}, "is not a valid document id"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_invalid_manifest_is_rejected_with_the_reason(tmp_path: Path, name: str) -> None:
    content, sentence = FAULTS[name]
    with pytest.raises(BadInput) as caught:
        entries_of(tmp_path, content)
    assert sentence in caught.value.message


def test_every_invalid_document_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        entries_of(tmp_path, {"md5:1": TEXT, "good": TEXT, VECTOR_ID: TEXT})
    first, second = caught.value.message.splitlines()
    assert first.startswith('"md5:1"')
    assert second.startswith(VECTOR_ID)


def test_missing_or_empty_manifest_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        read_manifest(tmp_path / "none.json")
    with pytest.raises(BadInput, match="has no documents"):
        read_manifest(tmp_path)
    (tmp_path / "A.graphql").write_bytes(b"query A { \xff }")
    with pytest.raises(BadInput, match=r"A\.graphql is not encoded in UTF-8"):
        read_manifest(tmp_path)
