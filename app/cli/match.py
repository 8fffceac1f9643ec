"""`dealmark match`: find the CPU that a listing title names, and show why."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.connect import connected_settings, open_resources
from app.core.errors import BadInput

if TYPE_CHECKING:
    from app.settings import Settings
    from app.titles.components import Components
    from app.titles.matcher import TitleMatcher, TitleMatchResult

MAX_FILE_BYTES = 64 * 1024 * 1024


def match(
    title: Annotated[str | None, typer.Argument(help="The title of a listing, in quotes.", show_default=False)] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="A file with one title per line, UTF-8.", show_default=False)
    ] = None,
) -> None:
    """Find the CPU of the catalogue that a listing title names, and show each step of the decision."""
    from app.titles.components import parse_components

    if (title is None) == (file is None):
        raise BadInput("Give either a title in quotes or --file with one title per line.")
    titles = [title] if title is not None else _read_titles(file) if file is not None else []
    matcher = asyncio.run(_build_matcher(connected_settings()))
    matched = 0
    for title_text in titles:
        result = matcher.match(title_text)
        matched += result.cpu is not None
        for line in _describe_match(title_text, result, parse_components(title_text)):
            typer.echo(line)
    if file is not None:
        typer.echo(f"{len(titles):,} titles, {matched:,} matched.")


def _read_titles(file: Path) -> list[str]:
    """Return the titles in a file, without blank lines. Raises BadInput if it cannot be read."""
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise BadInput(f"{file} is larger than 64 MiB: split it and match the parts.")
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise BadInput(f"{file} is not UTF-8: convert it to UTF-8.") from None
    return [line.strip() for line in text.splitlines() if line.strip()]


async def _build_matcher(settings: Settings) -> TitleMatcher:
    from app.catalog.title_matcher import build_matcher

    async with open_resources(settings) as resources, resources.read() as session:
        return await build_matcher(session)


def _describe_match(title: str, result: TitleMatchResult, components: Components) -> Iterator[str]:
    """Yield the output lines for one title."""
    yield title
    if result.cpu is not None:
        yield f"  {result.cpu.name}  ({result.cpu.slug})"
    else:
        yield f"  no CPU ({result.decision}): {result.reason}"
    for step in result.steps:
        name = f" [{step.name}]" if step.name else ""
        yield f"    {step.verdict:8} {step.text}{name}: {step.reason}"
    if components:
        yield f"    with     {', '.join(_describe_components(components))}"


def _describe_components(components: Components) -> Iterator[str]:
    if components.quantity > 1:
        yield f"quantity {components.quantity}"
    if components.memory_gb or components.memory_kind:
        size = f" {components.memory_gb} GB" if components.memory_gb else ""
        yield f"memory{size}{f' {components.memory_kind}' if components.memory_kind else ''}"
    for drive in components.storage:
        yield f"{drive.kind or 'storage'} {drive.size_gb} GB"
    if components.graphics:
        yield f"graphics {components.graphics}"
    if components.operating_system:
        yield components.operating_system
