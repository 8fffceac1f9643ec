"""Reduction of a document to the smallest one that still shows a difference."""

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

# Comments and commas. A document that has these in strings is not changed.
BLANK = re.compile(r"#[^\n]*|,")
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


async def reduce_document(schema: GraphQLSchema, text: str, differs: Callable[[str], Awaitable[bool]]) -> str:
    """Return the text without the parts that can be removed so that it is still valid and still `differs`."""
    shrinking = True
    while shrinking:
        shrinking = False
        for smaller in _reductions(text):
            candidate = _without_unused(schema, smaller)
            if candidate is not None and await differs(candidate):
                text, shrinking = candidate, True
                break
    plain = " ".join(BLANK.sub(" ", text).split())
    return plain if _without_unused(schema, plain) == plain and await differs(plain) else text


def _without_unused(schema: GraphQLSchema, text: str) -> str | None:
    """Return the text without unused fragments and variables; None if it is not valid."""
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


def _reductions(text: str) -> Iterator[str]:
    """Yield the text without one of its parts, or with its selection in its place; the longest parts first."""
    removals: list[tuple[int, int, str]] = []

    class Spans(Visitor):
        def enter(self, node: Node, *_: object) -> None:
            if isinstance(node, REMOVABLE) and node.loc is not None:
                removals.append((node.loc.start, node.loc.end, " "))
                within = getattr(node, "selection_set", None)
                if within is not None and isinstance(node, (FieldNode, InlineFragmentNode)):
                    inner = text[within.loc.start + 1 : within.loc.end - 1]
                    removals.append((node.loc.start, node.loc.end, inner))
            if isinstance(node, FieldNode) and node.alias is not None and node.loc is not None and node.name.loc:
                removals.append((node.loc.start, node.name.loc.start, " "))

    visit(parse(text), Spans())
    removals.sort(key=lambda each: each[0] - each[1] + len(each[2]))
    return (text[:start] + instead + text[end:] for start, end, instead in removals)
