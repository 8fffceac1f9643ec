"""Documents and variables cannot inject code: names, strings and comments only change constants of generated code.

The same documents must also have the results of graphql-core.
"""

from __future__ import annotations

import ast
import builtins
import io
import tokenize
from collections.abc import Iterator, Sequence

import pytest
from graphql import GraphQLSchema, parse, validate

from app.engine.compiler.compiler import NotCompilable, compile_plan
from tests.engine.compiler import synthetic_schema
from tests.engine.compiler.differential_fuzzer import Fuzz, find_operation
from tests.engine.compiler.equality import IGNORE_ABANDONED_COROUTINES, compare_worlds, world_for
from tests.engine.compiler.random_documents import Case, Documents
from tests.engine.compiler.random_values import literal_of

# Coverage would take longer than the tests, and other tests cover the same lines.
pytestmark = [*IGNORE_ABANDONED_COROUTINES, pytest.mark.no_cover]
NAMES = [
    *(
        "__import__",
        "__builtins__",
        "__class__",
        "__dict__",
        "__debug__",
        "__name__",
        "__typename",
        "__schema",
        "_",
        "__",
    ),
    *(
        "class",
        "def",
        "None",
        "True",
        "lambda",
        "import",
        "yield",
        "await",
        "del",
        "global",
        "match",
        "return",
        "async",
    ),
    *("exec", "eval", "open", "print", "compile", "getattr", "globals", "dict", "list", "len", "isinstance", "str"),
    *("self", "info", "context", "data", "errors", "path", "key", "value", "item", "result", "results", "variables"),
    *(
        "toString",
        "constructor",
        "keys",
        "items",
        "get",
        "update",
        "pop",
        "append",
        "A" * 300,
        "x0",
        "É".encode().hex(),
    ),
]
MARKER = "mArKeR"
TEXTS = [
    f"'); import os; {MARKER} #",
    f'"); {MARKER}(); ("',
    f"'''\n{MARKER}\n'''",
    f'"""\n{MARKER}\n"""',
    f"\\'); {MARKER} #\\",
    f"\n{MARKER}\n",
    f"\r{MARKER}\u2028{MARKER}\u2029{MARKER}\x85{MARKER}\x0c{MARKER}",
    f"{{{MARKER}}} {{{{{MARKER}}}}} %({MARKER})s %s {{0}} ${{{MARKER}}} $x",
    f"\0{MARKER}\0",
    f"\N{RIGHT-TO-LEFT OVERRIDE}{MARKER}😀\ufeff",
    "\\N{BULLET} \\x41 \\101 \\u0041",
]
ALLOWED_NODES = (
    *(
        ast.Module,
        ast.FunctionDef,
        ast.AsyncFunctionDef,
        ast.arguments,
        ast.arg,
        ast.Return,
        ast.For,
        ast.AsyncFor,
        ast.If,
    ),
    *(
        ast.Try,
        ast.ExceptHandler,
        ast.Raise,
        ast.While,
        ast.Continue,
        ast.Break,
        ast.Pass,
        ast.comprehension,
        ast.ListComp,
    ),
    *(ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.NamedExpr, ast.Call, ast.keyword, ast.Await, ast.Starred),
    *(
        ast.Name,
        ast.Attribute,
        ast.Subscript,
        ast.Slice,
        ast.Constant,
        ast.Dict,
        ast.List,
        ast.Tuple,
        ast.Set,
        ast.IfExp,
    ),
    *(
        ast.Compare,
        ast.BoolOp,
        ast.BinOp,
        ast.UnaryOp,
        ast.expr_context,
        ast.operator,
        ast.unaryop,
        ast.cmpop,
        ast.boolop,
    ),
)
ALLOWED_BUILTINS = {
    "len",
    "list",
    "dict",
    "zip",
    "range",
    "enumerate",
    "tuple",
    "type",
    "map",
    "any",
    "all",
    "id",
    "iter",
    "next",
}
ALLOWED_BUILTINS |= {"isinstance", "Exception", "str", "int", "float", "bool"}
ALLOWED_DUNDERS = {"__class__"}


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    """The synthetic schema."""
    return synthetic_schema.build()


@pytest.fixture(scope="module")
def harmless(schema: GraphQLSchema) -> str:
    """The skeleton of the code of a harmless document."""
    return skeleton(code_of(schema, document_with("harmless", "text")))


def document_with(name: str, text: str, comment: str = "") -> Case:
    """Return a document with this name for everything that it can name, and this text in every string."""
    fragment = name if name != "on" else "on_"
    literal, block = literal_of(text), literal_of(text).replace("\\u0000", "")
    return Case(
        f"""# {comment}
        query {name}(${name}: String = {block}, ${name}2: Boolean! = true, ${name}3: Inner = {{class: {literal}}}) {{
          {name}: echo(text: {literal})
          {name}1: echo(text: ${name}) @include(if: ${name}2)
          {name}2: inputs(inner: ${name}3, either: {{text: {literal}}}) ...{fragment}
          {name}3: scalars(anything: {{{name}: {literal}, zz: [{literal}]}})
          {name}4: lists {{ {name}: beasts {{ {name}: name {name}1: __typename ... on Cat {{ {name}2: where }} }} }}
        }} # {comment}
        fragment {fragment} on Query {{
          {name}5: selected {name}6: plain {{ {name}: key {name}1: deeper {{ {name}: token }} }}
        }}
        """,
        name,
        ({name: text, f"{name}3": {"tags": [text], "class": text}}, {}),
    )


def skeleton(source: str) -> str:
    """Return the syntax tree of generated code without the content of string constants."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return ast.dump(tree)


def code_of(schema: GraphQLSchema, case: Case) -> str:
    """Return the generated code of a document."""
    document = parse(case.text)
    return compile_plan(schema, document, find_operation(document, case.operation_name)).source


def code_tokens(source: str) -> Iterator[str]:
    """Yield the tokens of generated code except strings and comments."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in {tokenize.STRING, tokenize.COMMENT}:
            yield token.string


def names_in(nodes: Sequence[ast.AST]) -> set[str]:
    """Return every identifier in generated code."""
    found = {node.id for node in nodes if isinstance(node, ast.Name)}
    found |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    found |= {node.arg for node in nodes if isinstance(node, (ast.arg, ast.keyword)) and node.arg is not None}
    return found | {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}


def nodes_of(source: str) -> list[ast.AST]:
    """Return all syntax nodes of generated code."""
    return list(ast.walk(ast.parse(source)))


@pytest.mark.parametrize("name", NAMES)
async def test_names_in_documents_only_change_constants(schema: GraphQLSchema, harmless: str, name: str) -> None:
    case = document_with(name, "text")
    assert not validate(schema, parse(case.text))
    assert skeleton(code_of(schema, case)) == harmless
    await Fuzz(schema, world_for, agreement=compare_worlds).check(case, 0)


async def test_names_of_generated_code_in_documents_only_change_constants(schema: GraphQLSchema, harmless: str) -> None:
    used = names_in(nodes_of(code_of(schema, document_with("harmless", "text"))))
    assert used
    for name in sorted(used):
        case = document_with(name, "text")
        assert skeleton(code_of(schema, case)) == harmless, name
        await Fuzz(schema, world_for, agreement=compare_worlds).check(case, 0)


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
async def test_strings_in_documents_only_change_constants(schema: GraphQLSchema, text: str) -> None:
    case = document_with("name", text)
    source = code_of(schema, case)
    assert skeleton(source) == skeleton(code_of(schema, document_with("name", "text")))
    assert not any(MARKER in word for word in code_tokens(source))
    await Fuzz(schema, world_for, agreement=compare_worlds).check(case, 0)


def test_comments_in_documents_do_not_become_code(schema: GraphQLSchema) -> None:
    comment = f"{MARKER}\u2028{MARKER}()\x85{MARKER}()\x0c{MARKER}()\u2029{MARKER}() ''' \"\"\" \\"
    source = code_of(schema, document_with("name", "text", comment))
    assert skeleton(source) == skeleton(code_of(schema, document_with("name", "text")))
    assert not any(MARKER in word for word in code_tokens(source))


def test_generated_code_uses_only_harmless_constructs(schema: GraphQLSchema) -> None:
    """It has no imports, no class definitions, no built-in functions with side effects, and no dunder attributes."""
    documents = Documents(schema, synthetic_schema.POOLS, mutations=0.2)
    functions = 0
    for n in range(300):
        try:
            source = code_of(schema, documents.case(f"kinds:{n}"))
        except NotCompilable:
            continue
        nodes = nodes_of(source)
        functions += sum(isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) for node in nodes)
        assert not {type(node) for node in nodes if not isinstance(node, ALLOWED_NODES)}, source
        names = names_in(nodes)
        assert not (names & set(dir(builtins))) - ALLOWED_BUILTINS, source
        assert not {name for name in names if name.startswith("__")} - ALLOWED_DUNDERS, source
    assert functions >= 290
