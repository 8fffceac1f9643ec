"""`dealmark documents`: manage the persisted documents that clients may execute."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from app.cli.connect import connected_settings, open_resources, start_console_logging
from app.core.errors import BadInput

if TYPE_CHECKING:
    from graphql import GraphQLSchema

    from app.documents.publishing import DocumentInfo
    from app.engine.document import Document
    from app.resources import Resources

T = TypeVar("T")

documents_app = typer.Typer(no_args_is_help=True, help="Publish, list, check and retire the documents of clients.")

IdOrName = Annotated[str, typer.Argument(metavar="ID|NAME", help="Id or name of a document.")]


@documents_app.command()
def publish(
    manifest: Annotated[
        Path,
        typer.Argument(
            help="Manifest of Apollo, Relay or graphql-codegen, or a folder of .graphql files.", show_default=False
        ),
    ],
    client: Annotated[
        str, typer.Option(help="Name and version of the client, for example web@1.2.3.", show_default=False)
    ],
) -> None:
    """Publish the documents of a client version. If one is invalid, none is published and the exit code is 1."""
    from app.documents.manifests import read_manifest
    from app.documents.publishing import ClientVersion, publish

    client_version = ClientVersion.parse(client, versioned=True)
    entries = read_manifest(manifest)
    new = _run(lambda resources: publish(resources, _own_schema(), entries, client_version))
    typer.echo(f"{len(entries)} published for {client_version}, {new} of them new.")


@documents_app.command("list")
def list_documents(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """List all documents with their clients, usage, data domains and cost."""
    from app.documents.publishing import list_documents

    for document in _run(lambda resources: list_documents(resources, _own_schema())):
        facts = _facts(document)
        if as_json:
            typer.echo(json.dumps({"id": document.id, "name": document.name, **facts}))
        else:
            typer.echo(_format_summary(document, facts))


@documents_app.command()
def show(name: IdOrName) -> None:
    """Show a document with its text."""
    from app.documents.publishing import find_documents

    for document in _run(lambda resources: find_documents(resources, _own_schema(), name)):
        typer.echo(_format_summary(document, _facts(document)))
        typer.echo("\n" + document.text.strip() + "\n")


@documents_app.command()
def plan(
    name: IdOrName,
    variables: Annotated[str, typer.Option(help="Variables to execute it with, as JSON.")] = "{}",
) -> None:
    """Show a document, the Python code generated for it, and the SQL statements that it executes."""
    from app.documents.publishing import find_documents

    variable_values = _parse_variables(variables)
    schema = _own_schema()

    async def explain_all(resources: Resources) -> list[str]:
        infos = await find_documents(resources, schema, name)
        documents = [info.document for info in infos if info.document is not None]
        return [part for document in documents for part in await _explain(resources, schema, document, variable_values)]

    parts = _run(explain_all)
    if not parts:
        raise BadInput(f"{name} does not fit the schema: see `dealmark documents check`.")
    typer.echo("\n\n".join(parts))


@documents_app.command()
def retire(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Ids of documents.", show_default=False)] = None,
    client: Annotated[
        str | None,
        typer.Option(
            help="Instead of ids: retire the documents that no other client uses. A client version (web@1.2.3), or a "
            "name for all of its versions (web).",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Stop serving documents. A retired document is served again after it is published again."""
    from app.documents import publishing

    if client is not None and not ids:
        client_version = publishing.ClientVersion.parse(client, versioned=False)
        retired = _run(lambda resources: publishing.retire_client(resources, client_version))
    elif ids and client is None:
        retired = _run(lambda resources: publishing.retire(resources, ids))
    else:
        raise BadInput("Pass either ids or --client.")
    typer.echo("\n".join([*retired, f"{len(retired)} retired."]))


@documents_app.command()
def check(
    schema: Annotated[
        Path | None,
        typer.Option(
            help="File with the schema (SDL) to check against. By default, the schema of this version.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Check that all published documents are valid for a schema. The exit code is 1 if one is not."""
    from app.documents.publishing import find_incompatible

    checked_schema = _own_schema() if schema is None else _read_schema(schema)
    count, problems = _run(lambda resources: find_incompatible(resources, checked_schema))
    for client, problem in problems:
        typer.echo(f"{client}: {problem}")
    if problems:
        typer.echo(f"{len(problems)} problems in {count} documents.", err=True)
        raise typer.Exit(1)
    typer.echo(f"All {count} documents fit the schema.")


def _run(work: Callable[[Resources], Awaitable[T]]) -> T:
    settings = connected_settings()
    start_console_logging(settings)

    async def run() -> T:
        async with open_resources(settings) as resources:
            return await work(resources)

    return asyncio.run(run())


async def _explain(
    resources: Resources, schema: GraphQLSchema, document: Document, variables: dict[str, Any]
) -> list[str]:
    """Return the text of the document, and the code and the statements of each of its operations."""
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
            parts.append("\n\n".join([title, *(f"{statement};" for statement in statements)]))
    return parts


def _parse_variables(text: str) -> dict[str, Any]:
    """Return the variables. Raises BadInput if the text is not a JSON object."""
    try:
        variables = json.loads(text)
    except ValueError:
        variables = None
    if not isinstance(variables, dict):
        raise BadInput(f"--variables must be a JSON object, not {text[:80]}.")
    return variables


def _own_schema() -> GraphQLSchema:
    from app.schema.build import build_graphql_schema

    return build_graphql_schema()


def _read_schema(path: Path) -> GraphQLSchema:
    """Return the schema in a file. Raises BadInput if it cannot be read."""
    from graphql import GraphQLError, build_schema

    try:
        return build_schema(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from None
    except (GraphQLError, TypeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is not a schema: {str(error).splitlines()[0]}") from None


def _facts(info: DocumentInfo) -> dict[str, Any]:
    """Return the properties of a document as JSON values.

    `cost`: by operation, without variables. `plans`: by operation, "compiled" or why graphql-core executes it.
    """
    document, usage = info.document, info.usage
    facts: dict[str, Any] = {
        "clients": list(info.clients),
        "published_at": _format_time(info.published_at),
        "retired_at": _format_time(info.retired_at),
        "hits": 0 if usage is None else usage.hits,
        "first_used_at": None if usage is None else _format_time(usage.first),
        "last_used_at": None if usage is None else _format_time(usage.last),
        "valid": document is not None,
    }
    if document is None:
        names = ("public", "max_age", "time_dependent", "domains", "cost", "plans")
        return {**facts, **dict.fromkeys(names)}
    operations = document.operations.values()
    return {
        **facts,
        "public": document.public,
        "max_age": document.max_age,
        "time_dependent": document.time_dependent,
        "domains": sorted(document.domains),
        "cost": {str(operation.name): operation.cost({}) for operation in operations},
        "plans": {str(operation.name): operation.not_compiled_reason or "compiled" for operation in operations},
    }


def _format_summary(info: DocumentInfo, facts: dict[str, Any]) -> str:
    usage = "never used"
    if info.usage is not None:
        usage = f"{info.usage.hits:,} hits, first {facts['first_used_at']}, last {facts['last_used_at']}"
    published = "built in" if info.published_at is None else f"published {facts['published_at']}"
    retired = "" if info.retired_at is None else f", retired {facts['retired_at']}"
    clients = ", ".join(info.clients) or "no client"
    return f"{info.name}  {info.id}\n  {clients}; {published}{retired}; {usage}\n  {_format_analysis(info, facts)}"


def _format_analysis(info: DocumentInfo, facts: dict[str, Any]) -> str:
    if info.document is None:
        return "does not fit the schema: see `dealmark documents check`"
    scope = "public" if info.document.public else "depends on the viewer"
    domains = ", ".join(facts["domains"]) or "no data"
    costs = ", ".join(f"{cost:,}" for cost in facts["cost"].values())
    interpreted = "".join(f"; interpreted: {reason}" for reason in facts["plans"].values() if reason != "compiled")
    return f"{scope}, max-age {info.document.max_age} s; reads {domains}; costs {costs}{interpreted}"


def _format_time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")
