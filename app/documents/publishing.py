"""Publishing, retiring and listing documents: the functions behind `dealmark documents`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from graphql import GraphQLSchema

from app.core.errors import BadInput, NotFound
from app.documents import sql
from app.documents.manifests import ManifestEntry
from app.documents.registry import builtin_documents
from app.documents.validation import DocumentProblem, find_problems, operation_names
from app.engine.document import Document, InvalidDocument, content_id, prepare_document
from app.resources import Reader, Resources

BUILTIN_CLIENT = "dealmark"
MAX_CLIENT_LENGTH = 200


@dataclass(frozen=True)
class ClientVersion:
    """A client that uses documents, like `web@1.2.3`; `version` is None for all its versions."""

    name: str
    version: str | None

    @classmethod
    def parse(cls, text: str, *, versioned: bool) -> ClientVersion:
        """Parse `name@version`; with `versioned`, the version is required. Raises BadInput.

        The name may have a scope, as in `@acme/web@1.2.3`.
        """
        name, at, version = text.rpartition("@")
        if not at or not name:
            name, version = text, ""
        valid = name and (version or not versioned)
        if not valid or not text.isprintable() or len(text) > MAX_CLIENT_LENGTH or " " in text:
            raise BadInput(f'"{text[:80]}" is not a client; use name@version, such as web@1.2.3.')
        return cls(name, version or None)

    def __str__(self) -> str:
        return self.name if self.version is None else f"{self.name}@{self.version}"


@dataclass(frozen=True)
class DocumentInfo:
    """A document that is, or was, served; `document` is None if it does not fit the schema."""

    id: str
    name: str
    text: str
    clients: Sequence[str]
    published_at: datetime | None
    retired_at: datetime | None
    usage: sql.DocumentUsage | None
    document: Document | None


async def are_published(resources: Resources, ids: Sequence[str]) -> bool:
    """Return whether all documents with these ids are published and not retired."""
    async with resources.read() as session:
        return set(ids) <= set(await sql.active(session))


async def publish(
    resources: Resources, schema: GraphQLSchema, entries: Sequence[ManifestEntry], client: ClientVersion
) -> int:
    """Publish all documents or none. Return how many of them were not served before.

    Raises BadInput that names each document that cannot be published, with the reason.
    """
    assert client.version is not None
    cost_limit = resources.settings.cost_limit
    errors = [error for entry in entries if (error := _publication_error(schema, entry, cost_limit))]
    if errors:
        raise _not_published(errors)
    publications = [
        sql.Publication(entry.id, entry.text, operation_names(entry.text), entry.client or client.name)
        for entry in entries
    ]
    async with resources.write() as tx:
        added = await sql.publish(tx, publications, client.version)
        # Checked after the insert, which waits for concurrent publications. The error rolls everything back.
        if conflicts := await sql.conflicts(tx, publications):
            raise _not_published(
                [
                    f"{document_id} is published with another text: an id never changes its text."
                    for document_id in conflicts
                ]
            )
    return added


async def list_documents(resources: Resources, schema: GraphQLSchema) -> list[DocumentInfo]:
    """Return all documents: first the built-in ones, then the others, each ordered by name."""
    async with resources.read() as session:
        usage = await sql.usage(session)
        published = await _published_documents(session, schema, usage)
    clients = {info.id: info.clients for info in published}
    builtin = [
        DocumentInfo(
            id=document_id,
            name=name,
            text=text,
            clients=[BUILTIN_CLIENT, *clients.get(document_id, [])],
            published_at=None,
            retired_at=None,
            usage=usage.get(document_id),
            document=_prepare(schema, document_id, text),
        )
        for name, text in builtin_documents().items()
        for document_id in (content_id(text),)
    ]
    builtin_ids = {info.id for info in builtin}
    return builtin + [info for info in published if info.id not in builtin_ids]


async def find_documents(resources: Resources, schema: GraphQLSchema, id_or_name: str) -> list[DocumentInfo]:
    """Return the documents with this id or with an operation of this name. Raises NotFound."""
    documents = await list_documents(resources, schema)
    matching = [info for info in documents if id_or_name in {info.id, *info.name.split(", ")}]
    if not matching:
        raise NotFound(f'There is no document with the id or name "{id_or_name[:80]}".')
    return matching


async def retire(resources: Resources, ids: Sequence[str]) -> list[str]:
    """Retire all of these documents, or none. Raises BadInput that names those that are built-in or not served."""
    if builtin := sorted({content_id(text) for text in builtin_documents().values()} & set(ids)):
        raise BadInput(f"{', '.join(builtin)} ships with the server and cannot be retired.")
    async with resources.write() as tx:
        retired = await sql.retire(tx, ids)
        if missing := sorted(set(ids) - set(retired)):
            raise BadInput(f"Nothing is retired, because these are not served: {', '.join(missing)}.")
    return retired


async def retire_client(resources: Resources, client: ClientVersion) -> list[str]:
    """Retire the documents that no other client uses. Raises NotFound if the client uses no document."""
    async with resources.write() as tx:
        retired = await sql.retire_client(tx, client.name, client.version)
    if retired is None:
        raise NotFound(f"No document is published for {client}.")
    return retired


async def find_incompatible(
    resources: Resources, schema: GraphQLSchema
) -> tuple[int, list[tuple[str, DocumentProblem]]]:
    """Return the number of served documents, and each problem that a client has with this schema."""
    async with resources.read() as session:
        rows = [row for row in await sql.list_all(session) if row.retired_at is None]
    clients_by_text = {text: [BUILTIN_CLIENT] for text in builtin_documents().values()}
    for row in rows:
        clients_by_text[row.text] = [*clients_by_text.get(row.text, []), *(row.clients or ["(no client)"])]
    problems = [
        (client, problem)
        for text, clients in clients_by_text.items()
        for problem in find_problems(schema, text)
        for client in clients
    ]
    return len(clients_by_text), problems


def _publication_error(schema: GraphQLSchema, entry: ManifestEntry, cost_limit: int) -> str | None:
    """Return why a document cannot be published, None if it can."""
    if entry.id in builtin_documents():
        return f"{entry.id} is the name of a document that ships with the server."
    if problems := find_problems(schema, entry.text):
        return "\n".join(f"{entry.id}: {problem}" for problem in problems)
    document = prepare_document(schema, entry.id, entry.text)
    for operation in document.operations.values():
        lowest_cost = operation.cost(dict.fromkeys(operation.variables, 0))
        if lowest_cost > cost_limit:
            return f"{entry.id}: {operation.name}: costs at least {lowest_cost}; the limit is {cost_limit}."
    return None


def _not_published(errors: Sequence[str]) -> BadInput:
    return BadInput("\n".join(["Nothing is published.", *errors]))


async def _published_documents(
    session: Reader, schema: GraphQLSchema, usage: Mapping[str, sql.DocumentUsage]
) -> list[DocumentInfo]:
    return [
        DocumentInfo(
            id=row.id,
            name=row.name,
            text=row.text,
            clients=row.clients,
            published_at=row.published_at,
            retired_at=row.retired_at,
            usage=usage.get(row.id),
            document=_prepare(schema, row.id, row.text),
        )
        for row in await sql.list_all(session)
    ]


def _prepare(schema: GraphQLSchema, document_id: str, text: str) -> Document | None:
    try:
        return prepare_document(schema, document_id, text)
    except InvalidDocument:
        return None
