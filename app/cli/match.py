"""`dealmark match`: which CPU a title names, and why."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.connect import connected_settings, told_plainly
from app.core.errors import BadInput

if TYPE_CHECKING:
    from app.settings import Settings
    from app.titles.components import Components
    from app.titles.matcher import TitleMatcher, TitleMatchResult

LONGEST_FILE = 64 * 1024 * 1024


def match(
    title: Annotated[str | None, typer.Argument(help="The title, in quotes.", show_default=False)] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="A file with one title per line, UTF-8.", show_default=False)
    ] = None,
) -> None:
    """Tell which CPU of the catalogue a seller's title names, and how that was found out."""
    from app.titles.components import parse_components

    if (title is None) == (file is None):
        raise BadInput("Give either a title in quotes or --file with one title per line.")
    titles = [title] if title is not None else _lines(file) if file is not None else []
    matcher = asyncio.run(_matcher(connected_settings()))
    matched = 0
    for each in titles:
        found = matcher.match(each)
        matched += found.cpu is not None
        for line in _told(each, found, parse_components(each)):
            typer.echo(line)
    if file is not None:
        typer.echo(f"{len(titles):,} titles, {matched:,} matched.")


def _lines(file: Path) -> list[str]:
    """The titles of a file, without blank lines. Raises BadInput when it cannot be read."""
    try:
        if file.stat().st_size > LONGEST_FILE:
            raise BadInput(f"{file} is larger than 64 MiB: match it in parts.")
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise BadInput(f"{file} is not UTF-8: save it as such.") from None
    return [line.strip() for line in text.splitlines() if line.strip()]


async def _matcher(settings: Settings) -> TitleMatcher:
    from app.catalog.title_matcher import build_matcher
    from app.resources import Resources

    with told_plainly():
        async with Resources.open(settings, listen=False) as resources, resources.read() as session:
            return await build_matcher(session)


def _told(title: str, found: TitleMatchResult, parts: Components) -> Iterator[str]:
    """The lines about one title."""
    yield title
    if found.cpu is not None:
        yield f"  {found.cpu.name}  ({found.cpu.slug})"
    else:
        yield f"  no CPU ({found.decision}): {found.reason}"
    for step in found.steps:
        of = f" [{step.name}]" if step.name else ""
        yield f"    {step.verdict:8} {step.text}{of}: {step.reason}"
    if parts:
        yield f"    beside   {', '.join(_beside(parts))}"


def _beside(parts: Components) -> Iterator[str]:
    if parts.quantity > 1:
        yield f"{parts.quantity} of it"
    if parts.memory_gb or parts.memory_kind:
        size = f" {parts.memory_gb} GB" if parts.memory_gb else ""
        yield f"memory{size}{f' {parts.memory_kind}' if parts.memory_kind else ''}"
    for drive in parts.storage:
        yield f"{drive.kind or 'storage'} {drive.size_gb} GB"
    if parts.graphics:
        yield f"graphics {parts.graphics}"
    if parts.operating_system:
        yield parts.operating_system
