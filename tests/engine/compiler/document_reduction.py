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

# Comments and commas; a document with texts is left as it is when they stand in one.
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


async def reduced(schema: GraphQLSchema, text: str, differs: Callable[[str], Awaitable[bool]]) -> str:
    """The text without everything that can be left out while it stays valid and `differs`."""
    shrinking = True
    while shrinking:
        shrinking = False
        for smaller in _smaller(text):
            tidy = _tidied(schema, smaller)
            if tidy is not None and await differs(tidy):
                text, shrinking = tidy, True
                break
    plain = " ".join(BLANK.sub(" ", text).split())
    return plain if _tidied(schema, plain) == plain and await differs(plain) else text


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


def _smaller(text: str) -> Iterator[str]:
    """The text with a part left out, or with what is selected in a part instead of it; the longest parts first."""
    found: list[tuple[int, int, str]] = []

    class Spans(Visitor):
        def enter(self, node: Node, *_: object) -> None:
            if isinstance(node, REMOVABLE) and node.loc is not None:
                found.append((node.loc.start, node.loc.end, " "))
                within = getattr(node, "selection_set", None)
                if within is not None and isinstance(node, (FieldNode, InlineFragmentNode)):
                    inner = text[within.loc.start + 1 : within.loc.end - 1]
                    found.append((node.loc.start, node.loc.end, inner))
            if isinstance(node, FieldNode) and node.alias is not None and node.loc is not None and node.name.loc:
                found.append((node.loc.start, node.name.loc.start, " "))

    visit(parse(text), Spans())
    found.sort(key=lambda each: each[0] - each[1] + len(each[2]))
    return (text[:start] + instead + text[end:] for start, end, instead in found)
