"""Shapes of documents that a client can send with a request, up to the largest size that the server accepts."""

from __future__ import annotations

from collections.abc import Callable

from app.engine.document import MAX_AD_HOC_LENGTH, MAX_TOKENS_AD_HOC, prepare_document
from tests.complexity.growth import ClientInput
from tests.complexity.shapes import numbered, reading, repeat, text_inputs
from tests.support.schema_execution import GRAPHQL_SCHEMA


def _prepare(text: str) -> object:
    document = prepare_document(GRAPHQL_SCHEMA, "x", text, ad_hoc=True)
    operation = next(iter(document.operations.values()))
    return operation.cost({}), operation.columns, operation.variable_limits, operation.plan


_TOKENS = MAX_TOKENS_AD_HOC - 20  # for what is around the units


def _document(name: str, shape: Callable[[int], str], tokens: int = 1) -> ClientInput:
    """Return a document of a number of units, of so many tokens each."""
    return ClientInput(f"document: {name}", reading(_prepare), shape, _TOKENS // tokens)


def _cpus(selection: str) -> str:
    return f"{{cpus{{nodes{{{selection}}}}}}}"


DOCUMENT_INPUTS = [
    _document("the same field", lambda n: _cpus("name " * n)),
    _document("the same object", lambda n: "{" + "cpus{nodes{name}} " * n + "}", 7),
    _document("the same object with arguments", lambda n: _cpus("listings(first:1){totalCount} " * n), 9),
    _document("objects with a conflict", lambda n: "{" + "cpus{nodes{a:name}} cpus{nodes{a:id}} " * n + "}", 18),
    _document("fields with a conflict", lambda n: _cpus("name name:id " * n), 4),
    _document("unknown fields", lambda n: numbered("nam# ", n, "{cpus{nodes{", "}}}")),
    _document("unknown arguments", lambda n: numbered("first#:1 ", n, "{cpus(", "){nodes{name}}}"), 3),
    _document("repeated arguments", lambda n: repeat("first:1 ", n, "{cpus(", "){nodes{name}}}"), 3),
    _document("unknown input fields", lambda n: numbered("core#:1 ", n, "{cpus(filter:{", "}){nodes{name}}}"), 3),
    _document("unknown enum values", lambda n: numbered("GOOD# ", n, "{cpus(filter:{rating:[", "]}){nodes{name}}}")),
    _document("unknown types", lambda n: numbered("...on CP#{id} ", n, "{", "}"), 6),
    _document("unknown fragments", lambda n: numbered("...f# ", n, "{", "}"), 2),
    _document("unknown directives", lambda n: repeat("@skib ", n, "{__typename ", "}"), 2),
    _document("repeated directives", lambda n: repeat("@skip(if:true) ", n, "{__typename ", "}"), 7),
    _document("inline fragments", lambda n: _cpus("...on CPU{name} " * n), 6),
    _document("nested inline fragments", lambda n: "{cpus{nodes" + "{...on CPU" * n + "{name}" + "}" * n + "}}", 5),
    _document("nested fields", lambda n: "{cpus{nodes" + "{cpu" * n + "{id}" + "}" * n + "}}", 3),
    _document("nested lists", lambda n: "{cpus(filter:{rating:" + "[" * n + "]" * n + "}){nodes{id}}}", 2),
    _document("nested objects", lambda n: "{cpus(filter:" + "{a:" * n + "1" + "}" * n + "){nodes{id}}}", 4),
    _document("operations", lambda n: numbered("query a#{__typename} ", n), 5),
    _document("operations with the same name", lambda n: repeat("query a{__typename} ", n), 5),
    _document(
        "operations that spread a fragment",
        lambda n: numbered("query a#{...f} ", n) + "fragment f on Query" + _cpus("name id slug " * n),
        9,
    ),
    _document(
        "operations that pass a variable to a fragment",
        lambda n: (
            numbered("query a#($x:Int){...f} ", n) + "fragment f on Query{" + "cpus(first:$x){nodes{name}} " * n + "}"
        ),
        25,
    ),
    _document("operations that spread a chain of fragments", lambda n: numbered("query a#{...f0} ", n) + _chain(n), 15),
    _document("a chain of fragments", lambda n: "{...f0}" + _chain(n), 8),
    _document("a chain of doubled fragments", lambda n: "{...f0}" + _chain(n, spreads=2), 10),
    _document(
        "fragments with the same fields",
        lambda n: numbered("...f# ", n, "{cpus{nodes{", "}}}") + numbered("fragment f# on CPU{name id} ", n),
        10,
    ),
    _document("a cycle of fragments", lambda n: "{...f0}" + _chain(n).replace("{__typename}", "{...f0}"), 8),
    _document("unused fragments", lambda n: "{__typename}" + numbered("fragment f# on CPU{id} ", n), 7),
    _document(
        "variables",
        lambda n: numbered("$v#:Boolean! ", n, "query(", "){" + numbered("a#:__typename @skip(if:$v#) ", n, end="}")),
        15,
    ),
    _document("unused variables", lambda n: numbered("$v#:Int ", n, "query(", "){__typename}"), 4),
    _document("undefined variables", lambda n: _cpus(numbered("a#:listings(first:$v#){totalCount} ", n)), 12),
    _document("introspection", lambda n: "{" + "__schema{types{name}} " * n + "}", 7),
    _document("aliases", lambda n: numbered("a#:__typename ", n, "{", "}"), 3),
    *text_inputs(
        "document",
        _prepare,
        MAX_AD_HOC_LENGTH,
        {
            "a comment": lambda n: repeat("#", n, end="\n{__typename}"),
            "commas": lambda n: repeat(",", n, end="{__typename}"),
            "lines": lambda n: repeat("\n", n, end="{__typename}"),
            "lines of a block string": lambda n: repeat(" a\n", n, '{cpu(slug:"""', '"""){name}}'),
            "escapes": lambda n: repeat("\\u00e9", n, '{cpu(slug:"', '"){name}}'),
            "an open string": lambda n: repeat("a", n, '{cpu(slug:"'),
            "a long name": lambda n: repeat("a", n, "{", "}"),
            "a long enum value": lambda n: repeat("A", n, "{cpus(filter:{rating:", "}){nodes{id}}}"),
            "a long number": lambda n: repeat("1", n, "{cpus(first:", "){nodes{id}}}"),
            "a long text": lambda n: repeat("a", n, '{cpus(first:"', '"){nodes{id}}}'),
            "quotes": lambda n: repeat('"', n, "{cpu(slug:"),
        },
    ),
]


def _chain(count: int, spreads: int = 1) -> str:
    """Return fragments of which each spreads the next one."""
    links = [f"fragment f{number} on Query{{{f'...f{number + 1} ' * spreads}}} " for number in range(count)]
    return "".join(links) + f"fragment f{count} on Query{{__typename}}"
