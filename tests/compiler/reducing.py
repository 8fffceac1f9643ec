"""Makes a document that shows a difference as small as it can be."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator

from graphql import (
    ArgumentNode,
    DirectiveNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    GraphQLSyntaxError,
    InlineFragmentNode,
    Node,
    OperationDefinitionNode,
    Visitor,
    parse,
    validate,
    visit,
)

EMPTY = re.compile(r"\([\s,]*\)")
REMOVABLE = (
    ArgumentNode,
    DirectiveNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
)


async def reduced(schema: GraphQLSchema, text: str, differs: Callable[[str], Awaitable[bool]]) -> str:
    """The text without everything that can be left out while it stays valid and `differs`."""
    shrinking = True
    while shrinking:
        shrinking = False
        for start, end in _spans(text):
            smaller = _tidied(schema, text[:start] + " " + text[end:])
            if smaller is not None and await differs(smaller):
                text, shrinking = smaller, True
                break
    return text


def _tidied(schema: GraphQLSchema, text: str) -> str | None:
    """The text without unused fragments and variables; None when it is not valid."""
    while True:
        text = EMPTY.sub("", text)
        try:
            errors = validate(schema, parse(text))
        except GraphQLSyntaxError:
            return None
        if not errors:
            return text
        unused = next((each for each in errors if "is never used" in each.message), None)
        if unused is None or not unused.nodes or unused.nodes[0].loc is None:
            return None
        span = unused.nodes[0].loc
        text = text[: span.start] + " " + text[span.end :]


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Parts that might be left out, the longest first."""
    found: list[tuple[int, int]] = []

    class Spans(Visitor):
        def enter(self, node: Node, *_: object) -> None:
            if isinstance(node, REMOVABLE) and node.loc is not None:
                found.append((node.loc.start, node.loc.end))

    visit(parse(text), Spans())
    return iter(sorted(found, key=lambda span: span[0] - span[1]))
