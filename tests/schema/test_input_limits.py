"""Limits of arguments and input fields: every list and every text of the schema has one, and it is enforced."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

import pytest
from graphql import (
    GraphQLInputObjectType,
    GraphQLString,
    get_named_type,
    get_nullable_type,
    is_enum_type,
    is_input_object_type,
    is_leaf_type,
    is_list_type,
    is_required_argument,
    is_required_input_field,
)

from app.core.errors import BadInput
from app.core.global_ids import encode_global_id
from app.db.session import Reader
from app.engine.document import MAX_AD_HOC_LENGTH, InvalidDocument, prepare_document
from app.graphql.input_limits import InputLimit, input_definitions, input_limit
from app.graphql.viewer import Role, Viewer
from app.resources import Resources
from app.schema.build import NODE_TYPES
from app.settings import Settings
from tests.support.api_server import run_api
from tests.support.catalog_rows import add_cpu
from tests.support.schema_execution import GRAPHQL_SCHEMA, execute_query
from tests.support.subscription_clients import open_socket

# Named types whose values are sent as text.
TEXTS = ("String", "ID", "DateTime")
# An ad hoc document with a longer one is refused before it is parsed.
LONGEST_LITERAL = MAX_AD_HOC_LENGTH


class Input(NamedTuple):
    """An argument or input field. An operation with a value for it is keyword, header, start, value and end."""

    name: str
    type: Any
    limit: InputLimit
    keyword: str
    start: str
    end: str

    def operation(self, header: str, value: str) -> str:
        """Return an operation with this value. The header declares its variables."""
        return f"{self.keyword}{header} {self.start}{value}{self.end}"


def all_inputs() -> Iterator[Input]:
    """Yield all arguments that an operation can reach, and the fields of their input objects."""
    for keyword, root in (("query", "Query"), ("mutation", "Mutation"), ("subscription", "Subscription")):
        yield from inputs_of(root, keyword, "{ ", " }")
    for name in NODE_TYPES:
        yield from inputs_of(name, "query", f'{{ node(id: "x") {{ ... on {name} {{ ', " } } }")


def inputs_of(type_name: str, keyword: str, start: str, end: str) -> Iterator[Input]:
    """Yield the arguments of the fields of a type. A field stands between `start` and `end`."""
    for field_name, field in GRAPHQL_SCHEMA.type_map[type_name].fields.items():  # type: ignore[attr-defined]
        selection = "" if is_leaf_type(get_named_type(field.type)) else " { __typename }"
        for name, argument in field.args.items():
            others = "".join(
                f", {other}: {example(definition.type)}"
                for other, definition in field.args.items()
                if other != name and is_required_argument(definition)
            )
            before, after = f"{start}{field_name}({name}: ", f"{others}){selection}{end}"
            yield from with_fields(Input(name, argument.type, input_limit(argument), keyword, before, after))


def with_fields(outer: Input) -> Iterator[Input]:
    """Yield an argument or input field, and the fields below it."""
    yield outer
    named_type = get_named_type(outer.type)
    if not isinstance(named_type, GraphQLInputObjectType):
        return
    for name, field in named_type.fields.items():
        others = "".join(
            f", {other}: {example(definition.type)}"
            for other, definition in named_type.fields.items()
            if other != name and is_required_input_field(definition)
        )
        before, after = f"{outer.start}{{{name}: ", f"{others}}}{outer.end}"
        yield from with_fields(
            Input(f"{outer.name}.{name}", field.type, input_limit(field), outer.keyword, before, after)
        )


def example(type_: Any) -> str:
    """Return a literal of a type."""
    named_type = get_named_type(type_)
    if is_enum_type(named_type):
        return str(next(iter(named_type.values)))
    if is_input_object_type(named_type):
        fields = (f"{name}: {example(f.type)}" for name, f in named_type.fields.items() if is_required_input_field(f))
        return f"{{{', '.join(fields)}}}"
    return {"Int": "1", "Float": "1", "Boolean": "true", "Upload": "$file"}.get(named_type.name, '"x"')


def example_value(type_: Any) -> Any:
    """Return a value of a type in JSON."""
    named_type = get_named_type(type_)
    if is_enum_type(named_type):
        return next(iter(named_type.values))
    if is_input_object_type(named_type):
        return {name: example_value(f.type) for name, f in named_type.fields.items() if is_required_input_field(f)}
    return {"Int": 1, "Float": 1.0, "Boolean": True}.get(named_type.name, "x")


def is_list(type_: Any) -> bool:
    """Return whether a type is a list."""
    return bool(is_list_type(get_nullable_type(type_)))


LISTS = [each for each in all_inputs() if is_list(each.type)]
TEXT_INPUTS = [each for each in all_inputs() if get_named_type(each.type).name in TEXTS]


def rejection(text: str, variables: dict[str, Any] | None = None) -> tuple[str, str] | None:
    """Return code and message of the error for an operation; None if its values are within the limits."""
    if "$file" in text:
        text = text.replace("mutation(", "mutation($file: Upload!, ").replace(
            "mutation {", "mutation($file: Upload!) {"
        )
    try:
        document = prepare_document(GRAPHQL_SCHEMA, "test", text)
        (operation,) = document.operations.values()
        operation.variable_limits.check(variables or {})
    except InvalidDocument as invalid:
        (error,) = invalid.errors
        return (error.extensions or {}).get("code", ""), error.message
    except BadInput as error:
        return error.code, error.message
    return None


def test_every_list_and_text_of_the_schema_has_a_limit() -> None:
    definitions = dict(input_definitions(GRAPHQL_SCHEMA))
    assert {"Query.nodes(ids:)", "CPUFilter.rating", "Mutation.recalculateMetrics(cpuIds:)"} <= definitions.keys()
    for coordinate, definition in definitions.items():
        limit, named_type = input_limit(definition), get_named_type(definition.type)
        list_type = get_nullable_type(definition.type)
        if is_list_type(list_type):
            assert limit.max_values, f"{coordinate} has no greatest number of values: declare it with `at_most`"
            assert not is_list_type(get_nullable_type(list_type.of_type)), f"{coordinate} is a list of lists"
            if is_enum_type(named_type):
                assert limit.max_values == len(named_type.values), coordinate
            assert f"t most {limit.max_values:,} values" in definition.description, coordinate
        if named_type.name in TEXTS:
            assert limit.max_length, f"{coordinate} has no greatest length: declare it with `at_most`"
        if named_type is GraphQLString:
            assert f"{limit.max_length:,} characters" in definition.description, coordinate


def test_inputs_of_all_operations_are_those_of_the_schema() -> None:
    reached = {each.name.rpartition(".")[2] for each in all_inputs()}
    declared = {
        name.rstrip(":)").rpartition("(")[2].rpartition(".")[2] for name, _ in input_definitions(GRAPHQL_SCHEMA)
    }
    assert declared == reached


@pytest.mark.parametrize("tested", LISTS, ids=lambda each: each.name)
def test_list_with_one_value_too_many_is_rejected(tested: Input) -> None:
    limit = tested.limit.max_values
    assert limit is not None
    for count in (limit, limit + 1, 32_000):
        variables = {"value": [example_value(tested.type)] * count}
        results = [rejection(tested.operation(f"($value: {tested.type})", "$value"), variables)]
        if count < 1_100:  # longer documents have too many tokens
            literal = f"[{', '.join([example(tested.type)] * count)}]"
            results.append(rejection(tested.operation("", literal)))
            results.append(
                rejection(tested.operation(f"($value: {get_nullable_type(tested.type)} = {literal})", "$value"))
            )
        for result in results:
            if count == limit:
                assert result is None
            else:
                message = f"`{tested.name}` takes at most {limit:,} values, not {count:,}: send each value once"
                assert result is not None
                assert (result[0], result[1][: len(message)]) == ("BAD_USER_INPUT", message)


@pytest.mark.parametrize("tested", TEXT_INPUTS, ids=lambda each: each.name)
def test_text_with_one_character_too_many_is_rejected(tested: Input) -> None:
    limit = tested.limit.max_length
    assert limit is not None
    for length in (limit, limit + 1, LONGEST_LITERAL, 1_000_000):
        text = "x" * length
        value: Any = [text] if is_list(tested.type) else text
        literal = f'["{text}"]' if is_list(tested.type) else f'"{text}"'
        results = [rejection(tested.operation(f"($value: {tested.type})", "$value"), {"value": value})]
        if length <= LONGEST_LITERAL and "DateTime" not in str(tested.type):
            results.append(rejection(tested.operation("", literal)))
            results.append(rejection(tested.operation("", literal.replace('"', '"""'))))
        for result in results:
            message = f"`{tested.name}` takes at most {limit:,} characters, not {length:,}: shorten it."
            assert result == (None if length == limit else ("BAD_USER_INPUT", message))


def test_huge_text_literals_of_published_documents_are_limited() -> None:
    text = "x" * 1_000_000
    for literal in (f'"{text}"', f'"""{text}"""'):
        result = rejection(f"{{ cpu(slug: {literal}) {{ id }} }}")
        assert result is not None
        assert result[0] == "BAD_USER_INPUT"
        assert result[1].endswith("characters, not 1,000,000: shorten it."), result


FILTERED = "query($rating: ValueRating!, $ratings: [ValueRating!], $filter: CPUFilter) "


def test_variables_within_literals_and_fragments_are_limited() -> None:
    many = ["GOOD"] * 5
    message = "`filter.rating` takes at most 4 values, not 5: "
    for text, variables in (
        ("query($r: [ValueRating!]) { cpus(filter: {rating: $r}) { totalCount } }", {"r": many}),
        ("query($f: CPUFilter) { cpus(filter: $f) { totalCount } }", {"f": {"rating": many}}),
        (
            "query($f: CPUFilter) { ... { ...F } } fragment F on Query { cpus(filter: $f) { totalCount } }",
            {"f": {"rating": many}},
        ),
        ("query($r: ValueRating!) { cpus(filter: {rating: [$r, $r, $r, $r, GOOD]}) { totalCount } }", {"r": "GOOD"}),
        ("query($f: CPUFilter = {rating: [GOOD, GOOD, GOOD, GOOD, GOOD]}) { cpus(filter: $f) { totalCount } }", {}),
    ):
        result = rejection(text, variables)
        assert result is not None, text
        assert (result[0], result[1][: len(message)]) == ("BAD_USER_INPUT", message)


def test_number_literals_are_limited() -> None:
    for text, name in (
        ("{ node(id: %s) { id } }", "id"),
        ("{ cpu(id: %s) { id } }", "id"),
        ("{ cpus(filter: {price: {min: %s.5}}) { totalCount } }", "filter.price.min"),
    ):
        result = rejection(text % ("9" * 5_000))
        assert result is not None
        assert result[1].startswith(f"`{name}` takes at most 100 characters, not 5,00"), result


def test_variable_is_limited_by_each_of_its_uses() -> None:
    text = (
        "query($slugs: [String!]!) { cpusBySlugs(slugs: $slugs) { id } cpus(filter: {socket: $slugs}) { totalCount } }"
    )
    assert rejection(text, {"slugs": ["x"] * 50}) is None
    result = rejection(text, {"slugs": ["x"] * 51})
    assert result is not None
    assert result[1].startswith("`slugs` takes at most 50 values, not 51")


def test_values_of_other_shapes_are_left_to_coercion() -> None:
    text = "query($filter: CPUFilter, $ids: [ID!]!) { cpus(filter: $filter) { totalCount } nodes(ids: $ids) { id } }"
    deep: Any = "x"
    for _ in range(5_000):
        deep = [deep]
    filters: list[Any] = [None, 1, True, [], [{}], {"unknown": ["x"] * 1_000}, {"cores": {"min": {}}}]
    ids: list[Any] = [None, 1, {}, [None], [[]], deep, [deep], [{"id": "x"}]]
    for conditions, value in product(filters, ids):
        assert rejection(text, {"filter": conditions, "ids": value}) is None


REPEATED = """
query($filter: CPUFilter!, $slugs: [String!]!, $ids: [ID!]!, $statuses: [JobStatus!]) {
  cpus(filter: $filter) { totalCount }
  priceMap(filter: $filter) { name }
  cpuFacets(filter: $filter) { sockets { count } }
  cpusBySlugs(slugs: $slugs) { name similar { name } }
  nodes(ids: $ids) { ... on CPU { name priceDistribution { count } } }
  jobs(status: $statuses) { totalCount }
}
"""


async def test_repeated_values_reach_no_statement(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    key = await add_cpu(resources, "One", [5, 6])
    bound_lists: list[Any] = []
    fetch = Reader._fetch

    async def observed(reader: Reader, sql: str, arguments: list[Any], record: Any) -> Any:
        bound_lists.extend(argument for argument in arguments if isinstance(argument, list))
        return await fetch(reader, sql, arguments, record)

    monkeypatch.setattr(Reader, "_fetch", observed)
    conditions = {
        "manufacturer": "Unknown",
        "socket": "AM4",
        "category": "Desktop",
        "rating": "GOOD",
        "confidence": "LOW",
    }
    result = await execute_query(
        resources,
        REPEATED,
        Viewer("operator", Role.OPERATOR),
        filter={name: [value] * 4 for name, value in conditions.items()},
        slugs=["one"] * 50,
        ids=[encode_global_id("CPU", key)] * 200,
        statuses=["QUEUED"] * 4,
    )
    assert result.data is not None, result.errors
    assert [len(result.data[name]) for name in ("cpusBySlugs", "nodes")] == [50, 200]
    assert ["AM4"] in bound_lists
    assert [len(values) for values in bound_lists] == [1] * len(bound_lists)


async def test_too_large_variables_are_rejected_by_every_transport(settings: Settings) -> None:
    query = "query($filter: CPUFilter) { cpus(filter: $filter) { totalCount } }"
    subscription = "subscription($ids: [ID!]) { priceChanged(cpuIds: $ids) { id } }"
    operations: list[tuple[str, dict[str, Any]]] = [
        (query, {"filter": {"rating": ["GOOD"] * 32_000}}),
        (subscription, {"ids": ["x"] * 201}),
    ]
    async with run_api(settings) as api:
        for text, variables in operations:
            for accept, status in (
                ("application/graphql-response+json", 400),
                ("application/json", 200),
                ("text/event-stream", 400),
            ):
                if text == subscription and accept != "text/event-stream":
                    continue
                response = await api.http.post(
                    "/graphql", json={"query": text, "variables": variables}, headers={"accept": accept}
                )
                (error,) = response.json()["errors"]
                assert (response.status_code, error["extensions"]["code"]) == (status, "BAD_USER_INPUT")
        async with open_socket(api) as client:
            assert (await client.receive())["type"] == "connection_ack"
            for text, variables in operations:
                await client.start("1", text, **variables)
                message = await client.receive()
                assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", "BAD_USER_INPUT")
