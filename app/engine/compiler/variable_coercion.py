"""Variables of one operation, as graphql-core coerces them; what does not depend on a request is found once."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from graphql import GraphQLError, GraphQLSchema, OperationDefinitionNode, Undefined, is_non_null_type
from graphql.execution.get_variable_signature import get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource, get_variable_values
from graphql.utilities import coerce_input_value

from app.engine.compiler.plan import IS_EXACT, nullable

MAX_ERRORS = 50  # graphql-core's own


class Coercion:
    """Coerces the variables of an operation."""

    def __init__(self, schema: GraphQLSchema, operation: OperationDefinitionNode) -> None:
        self.schema = schema
        self.definitions = operation.variable_definitions or ()
        signatures = [get_variable_signature(schema, definition) for definition in self.definitions]
        # Of a valid document they are no errors; defaults may still be refused by input types that check more.
        self._signatures = [each for each in signatures if not isinstance(each, GraphQLError)]
        defaults = get_variable_values(
            schema, [d for d in self.definitions if d.default_value is not None], {}, MAX_ERRORS
        )
        self._defaults = None if isinstance(defaults, list) else defaults.coerced

    def coerce(self, given: Mapping[str, Any]) -> VariableValues | list[GraphQLError]:
        """The values, or why they cannot be had."""
        if self._defaults is None:
            return self._carefully(given)
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for signature in self._signatures:
            name = signature.name
            value = given.get(name, Undefined)
            if value is Undefined:
                sources[name] = VariableValueSource(signature)
                if name in self._defaults:
                    # A list or an object is for this request alone: a resolver may change what it is given.
                    coerced[name] = deepcopy(self._defaults[name])
                elif is_non_null_type(signature.type):
                    return self._carefully(given)
                continue
            sources[name] = VariableValueSource(signature, value)
            if value is None and not is_non_null_type(signature.type):
                coerced[name] = None
                continue
            is_exact = IS_EXACT.get(nullable(signature.type))
            if is_exact is not None and is_exact(value):
                coerced[name] = value
                continue
            if isinstance(value, (dict, list)):  # nested too deeply, perhaps
                return self._carefully(given)
            coerced[name] = coerce_input_value(value, signature.type)
            if coerced[name] is Undefined:
                return self._carefully(given)
        return VariableValues(sources, coerced)

    def _carefully(self, given: Mapping[str, Any]) -> VariableValues | list[GraphQLError]:
        return get_variable_values(self.schema, self.definitions, dict(given), MAX_ERRORS)
