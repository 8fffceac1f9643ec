"""Publishing and retiring documents, and telling about those there are: what `dealmark documents` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from graphql import GraphQLSchema

from app.core.errors import BadInput, NotFound
from app.documents import sql
from app.documents.manifests import Entry
from app.documents.registry import shipped
from app.documents.validation import Problem, operation_names, problems
from app.engine.document import Document, InvalidDocument, content_id, read_document
from app.resources import Reader, Resources

SHIPPED_CLIENT = "dealmark"


@dataclass(frozen=True)
class Client:
    """Who asks for documents: `web@1.2.3`. `version` is None for all versions."""

    name: str
    version: str | None

    @classmethod
    def parse(cls, given: str, *, versioned: bool) -> Client:
        """Raises BadInput. The name may be scoped: `@acme/web@1.2.3`."""
        name, at, version = given.rpartition("@")
        if not at or not name:
            name, version = given, ""
        fits = name and (version or not versioned) and given.isprintable() and len(given) <= 200 and " " not in given
        if not fits:
            raise BadInput(f'"{given[:80]}" names no client: it is a name and a version, like web@1.2.3.')
        return cls(name, version or None)

    def __str__(self) -> str:
        return self.name if self.version is None else f"{self.name}@{self.version}"


@dataclass(frozen=True)
class Known:
    """A document that is, or was, served; `document` is None when it does not fit the schema."""

    id: str
    name: str
    text: str
    clients: Sequence[str]
    published_at: datetime | None
    retired_at: datetime | None
    use: sql.Use | None
    document: Document | None


async def are_published(resources: Resources, ids: Sequence[str]) -> bool:
    """Return whether all documents with these ids are published and not retired."""
    async with resources.read() as session:
        return set(ids) <= set(await sql.active(session))


async def publish(resources: Resources, schema: GraphQLSchema, entries: Sequence[Entry], client: Client) -> int:
    """Publishes all of the documents or none; the number of those that were not served before.

    Raises BadInput that names each document that cannot be published, and why.
    """
    assert client.version is not None
    faults = [fault for entry in entries if (fault := _fault(schema, entry, resources.settings.cost_limit))]
    if faults:
        raise _refused(faults)
    given = [sql.Publication(e.id, e.text, operation_names(e.text), e.client or client.name) for e in entries]
    async with resources.write() as tx:
        added = await sql.publish(tx, given, client.version)
        # Afterwards: what somebody else publishes at this moment is seen, too. An error takes everything back.
        if taken := await sql.conflicts(tx, given):
            raise _refused([f"{each} is published with another text: an id never changes its text." for each in taken])
    return added


async def known(resources: Resources, schema: GraphQLSchema) -> list[Known]:
    """All documents, shipped ones first, each part by name."""
    async with resources.read() as session:
        uses = await sql.uses(session)
        published = await _published(session, schema, uses)
    also = {each.id: each.clients for each in published}
    ours = [
        Known(
            id=identifier,
            name=name,
            text=text,
            clients=[SHIPPED_CLIENT, *also.get(identifier, [])],
            published_at=None,
            retired_at=None,
            use=uses.get(identifier),
            document=_read(schema, identifier, text),
        )
        for name, text in shipped().items()
        for identifier in (content_id(text),)
    ]
    return ours + [each for each in published if each.id not in {one.id for one in ours}]


async def named(resources: Resources, schema: GraphQLSchema, wanted: str) -> list[Known]:
    """The documents with this id, or the name of an operation. Raises NotFound."""
    found = [each for each in await known(resources, schema) if wanted in {each.id, *each.name.split(", ")}]
    if not found:
        raise NotFound(f'There is no document with the id or name "{wanted[:80]}".')
    return found


async def retire(resources: Resources, ids: Sequence[str]) -> list[str]:
    """Stops serving these. Raises BadInput that names those that are not served, and then does nothing."""
    if ours := sorted({content_id(text) for text in shipped().values()} & set(ids)):
        raise BadInput(f"{', '.join(ours)} ships with the server and cannot be retired.")
    async with resources.write() as tx:
        retired = await sql.retire(tx, ids)
        if missing := sorted(set(ids) - set(retired)):
            raise BadInput(f"Nothing is retired, because these are not served: {', '.join(missing)}.")
    return retired


async def retire_client(resources: Resources, client: Client) -> list[str]:
    """Stops serving what nobody else asks for. Raises NotFound when the client asks for nothing."""
    async with resources.write() as tx:
        retired = await sql.retire_client(tx, client.name, client.version)
    if retired is None:
        raise NotFound(f"No document is published for {client}.")
    return retired


async def misfits(resources: Resources, schema: GraphQLSchema) -> tuple[int, list[tuple[str, Problem]]]:
    """How many documents are served, and who has which problem with this schema."""
    async with resources.read() as session:
        rows = [row for row in await sql.listed(session) if row.retired_at is None]
    served = {text: [SHIPPED_CLIENT] for text in shipped().values()}
    for row in rows:
        served[row.text] = [*served.get(row.text, []), *(row.clients or ["(no client)"])]
    found = [
        (client, each) for text, clients in served.items() for each in problems(schema, text) for client in clients
    ]
    return len(served), found


def _fault(schema: GraphQLSchema, entry: Entry, cost_limit: int) -> str | None:
    if entry.id in shipped():
        return f"{entry.id} is the name of a document that ships with the server."
    if found := problems(schema, entry.text):
        return "\n".join(f"{entry.id}: {problem}" for problem in found)
    document = read_document(schema, entry.id, entry.text)
    for operation in document.operations.values():
        least = operation.cost(dict.fromkeys(operation.variables, 0))
        if least > cost_limit:
            return f"{entry.id}: {operation.name}: it costs {least} at least; at most {cost_limit} is allowed."
    return None


def _refused(faults: Sequence[str]) -> BadInput:
    return BadInput("\n".join(["Nothing is published.", *faults]))


async def _published(session: Reader, schema: GraphQLSchema, uses: Mapping[str, sql.Use]) -> list[Known]:
    return [
        Known(
            id=row.id,
            name=row.name,
            text=row.text,
            clients=row.clients,
            published_at=row.published_at,
            retired_at=row.retired_at,
            use=uses.get(row.id),
            document=_read(schema, row.id, row.text),
        )
        for row in await sql.listed(session)
    ]


def _read(schema: GraphQLSchema, document_id: str, text: str) -> Document | None:
    try:
        return read_document(schema, document_id, text)
    except InvalidDocument:
        return None
