"""`dealmark documents`: what clients may run."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from app.cli.connect import connected_settings, told_plainly
from app.core.errors import BadInput

if TYPE_CHECKING:
    from graphql import GraphQLSchema

    from app.documents.publishing import DocumentInfo
    from app.engine.document import Document
    from app.resources import Resources

T = TypeVar("T")

documents_app = typer.Typer(no_args_is_help=True, help="Publish, list, check and retire the documents of clients.")


@documents_app.command()
def publish(
    manifest: Annotated[
        Path,
        typer.Argument(
            help="Manifest of Apollo, Relay or graphql-codegen, or a folder of .graphql files.", show_default=False
        ),
    ],
    client: Annotated[str, typer.Option(help="Name and version, like web@1.2.3.", show_default=False)],
) -> None:
    """Have the documents of a client's version served: all of them, or none and exit code 1."""
    from app.documents.manifests import read_manifest
    from app.documents.publishing import ClientVersion, publish

    who = ClientVersion.parse(client, versioned=True)
    entries = read_manifest(manifest)
    added = _run(lambda resources: publish(resources, _schema(), entries, who))
    typer.echo(f"{len(entries)} published for {who}, {added} of them new.")


@documents_app.command("list")
def list_documents(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> None:
    """List all documents: who asks for them, how they are used, what they read and cost."""
    from app.documents.publishing import list_documents

    found = _run(lambda resources: list_documents(resources, _schema()))
    for each in found:
        facts = _facts(each)
        typer.echo(json.dumps({"id": each.id, "name": each.name, **facts}) if as_json else _block(each, facts))


@documents_app.command()
def show(name: Annotated[str, typer.Argument(metavar="ID|NAME", help="Id of a document, or name.")]) -> None:
    """Show a document with its text."""
    from app.documents.publishing import find_documents

    for each in _run(lambda resources: find_documents(resources, _schema(), name)):
        typer.echo(_block(each, _facts(each)))
        typer.echo("\n" + each.text.strip() + "\n")


@documents_app.command()
def plan(
    name: Annotated[str, typer.Argument(metavar="ID|NAME", help="Id of a document, or name.")],
    variables: Annotated[str, typer.Option(help="Variables to run it with, as JSON.")] = "{}",
) -> None:
    """Show a document, the code that is generated for it, and the SQL that it sends."""
    from app.documents.publishing import find_documents

    given = _variables(variables)
    schema = _schema()

    async def shown(resources: Resources) -> list[str]:
        documents = [
            each.document for each in await find_documents(resources, schema, name) if each.document is not None
        ]
        return [part for each in documents for part in await _parts(resources, schema, each, given)]

    parts = _run(shown)
    if not parts:
        raise BadInput(f"{name} does not fit the schema: see `dealmark documents check`.")
    typer.echo("\n\n".join(parts))


@documents_app.command()
def retire(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids.", show_default=False)] = None,
    client: Annotated[
        str | None,
        typer.Option(
            help="Instead of ids: what only this client asks for, in a version (web@1.2.3) or in any (web).",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Stop serving documents; publishing them again brings them back."""
    from app.documents import publishing

    if client is not None and not ids:
        who = publishing.ClientVersion.parse(client, versioned=False)
        retired = _run(lambda resources: publishing.retire_client(resources, who))
    elif ids and client is None:
        retired = _run(lambda resources: publishing.retire(resources, ids))
    else:
        raise BadInput("Give either ids or --client.")
    typer.echo("\n".join([*retired, f"{len(retired)} retired."]))


@documents_app.command()
def check(
    schema: Annotated[
        Path | None,
        typer.Option(help="Schema (SDL) to check against. Without: that of this program.", show_default=False),
    ] = None,
) -> None:
    """Check that every document still fits the schema; exit code 1 when one does not."""
    from app.documents.publishing import find_incompatible

    against = _schema() if schema is None else _schema_of(schema)
    count, found = _run(lambda resources: find_incompatible(resources, against))
    for client, problem in found:
        typer.echo(f"{client}: {problem}")
    if found:
        typer.echo(f"{len(found)} problems in {count} documents.", err=True)
        raise typer.Exit(1)
    typer.echo(f"All {count} documents fit the schema.")


def _run(work: Callable[[Resources], Awaitable[T]]) -> T:
    from app.core.logging import configure_logging
    from app.resources import Resources

    settings = connected_settings()
    configure_logging(settings.log_format or "console", "ERROR", sys.stderr)

    async def run() -> T:
        with told_plainly():
            async with Resources.open(settings, listen=False) as resources:
                return await work(resources)

    return asyncio.run(run())


async def _parts(
    resources: Resources, schema: GraphQLSchema, document: Document, variables: dict[str, Any]
) -> list[str]:
    """The document, and of each of its operations the code and the statements."""
    from app.engine.explain import executed_statements, generated_code

    parts = [document.text.strip()]
    for operation in document.operations.values():
        parts.append(generated_code(operation).strip())
        try:
            statements = await executed_statements(resources, schema, document, operation, variables)
        except BadInput as reason:
            parts.append(f"-- SQL: {reason.message}")
        else:
            title = f"-- SQL, with variables {json.dumps(variables)}"
            parts.append("\n\n".join([title, *(f"{each};" for each in statements)]))
    return parts


def _variables(given: str) -> dict[str, Any]:
    """Raises BadInput when it is no JSON object."""
    try:
        read = json.loads(given)
    except ValueError:
        read = None
    if not isinstance(read, dict):
        raise BadInput(f"--variables takes a JSON object, not {given[:80]}.")
    return read


def _schema() -> GraphQLSchema:
    from app.schema.build import build_graphql_schema

    return build_graphql_schema()


def _schema_of(path: Path) -> GraphQLSchema:
    """Raises BadInput when it cannot be read."""
    from graphql import GraphQLError, build_schema

    try:
        return build_schema(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from None
    except (GraphQLError, TypeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is not a schema: {str(error).splitlines()[0]}") from None


def _facts(each: DocumentInfo) -> dict[str, Any]:
    """What is told about a document, as JSON knows it. `cost` is that without variables, `plans` what runs it."""
    document = each.document
    operations = [] if document is None else list(document.operations.values())
    costs = None if document is None else {str(each.name): each.cost({}) for each in operations}
    plans = (
        None if document is None else {str(each.name): each.not_compiled_reason or "compiled" for each in operations}
    )
    return {
        "clients": list(each.clients),
        "published_at": _iso(each.published_at),
        "retired_at": _iso(each.retired_at),
        "hits": 0 if each.usage is None else each.usage.hits,
        "first_used_at": None if each.usage is None else _iso(each.usage.first),
        "last_used_at": None if each.usage is None else _iso(each.usage.last),
        "valid": document is not None,
        "public": None if document is None else document.public,
        "max_age": None if document is None else document.max_age,
        "timed": None if document is None else document.time_dependent,
        "reads": None if document is None else sorted(document.domains),
        "cost": costs,
        "plans": plans,
    }


def _block(each: DocumentInfo, facts: dict[str, Any]) -> str:
    usage = "never used"
    if each.usage is not None:
        usage = f"{each.usage.hits:,} hits, first {facts['first_used_at']}, last {facts['last_used_at']}"
    published = "ships with the server" if each.published_at is None else f"published {facts['published_at']}"
    retired = "" if each.retired_at is None else f", retired {facts['retired_at']}"
    clients = ", ".join(each.clients) or "no client"
    return f"{each.name}  {each.id}\n  {clients}; {published}{retired}; {use}\n  {_traits(each, facts)}"


def _traits(each: DocumentInfo, facts: dict[str, Any]) -> str:
    if each.document is None:
        return "does not fit the schema: see `dealmark documents check`"
    cached = "public" if each.document.public else "depends on the viewer"
    reads = ", ".join(facts["reads"]) or "no data"
    cost = ", ".join(f"{amount:,}" for amount in facts["cost"].values())
    interpreted = "".join(f"; interpreted: {why}" for why in facts["plans"].values() if why != "compiled")
    return f"{cached}, max-age {each.document.max_age} s; reads {reads}; costs {cost}{interpreted}"


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")
