"""Coercion of an operation's variables, with the results of graphql-core but less work per request."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    Undefined,
    get_nullable_type,
    is_non_null_type,
)
from graphql.execution.get_variable_signature import get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource, get_variable_values
from graphql.utilities import coerce_input_value

from app.engine.compiler.plan import IS_VALID_OUTPUT

MAX_ERRORS = 50  # the limit of graphql-core


class VariableCoercer:
    """Coerces the variables of one operation."""

    def __init__(self, schema: GraphQLSchema, operation: OperationDefinitionNode) -> None:
        self.schema = schema
        self.definitions = operation.variable_definitions or ()
        signatures = [get_variable_signature(schema, definition) for definition in self.definitions]
        # Validation has excluded errors in signatures. Defaults can still be rejected, by a custom input type.
        self._signatures = [signature for signature in signatures if not isinstance(signature, GraphQLError)]
        defaults = get_variable_values(
            schema, [d for d in self.definitions if d.default_value is not None], {}, MAX_ERRORS
        )
        self._defaults = None if isinstance(defaults, list) else defaults.coerced

    def coerce(self, variables: Mapping[str, Any]) -> VariableValues | list[GraphQLError]:
        """Return the coerced values, or the errors."""
        if self._defaults is None:
            return self._slow_path(variables)
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for signature in self._signatures:
            name = signature.name
            value = variables.get(name, Undefined)
            if value is Undefined:
                sources[name] = VariableValueSource(signature)
                if name in self._defaults:
                    # A copy, because a resolver may change a list or an object.
                    coerced[name] = deepcopy(self._defaults[name])
                elif is_non_null_type(signature.type):
                    return self._slow_path(variables)
                continue
            sources[name] = VariableValueSource(signature, value)
            if value is None and not is_non_null_type(signature.type):
                coerced[name] = None
                continue
            # Values of these scalars that are valid output are valid input too.
            is_valid = IS_VALID_OUTPUT.get(get_nullable_type(signature.type))
            if is_valid is not None and is_valid(value):
                coerced[name] = value
                continue
            if isinstance(value, (dict, list)):  # may be nested too deeply
                return self._slow_path(variables)
            coerced[name] = coerce_input_value(value, signature.type)
            if coerced[name] is Undefined:
                return self._slow_path(variables)
        return VariableValues(sources, coerced)

    def _slow_path(self, variables: Mapping[str, Any]) -> VariableValues | list[GraphQLError]:
        """Let graphql-core coerce the variables, which also words the errors."""
        return get_variable_values(self.schema, self.definitions, dict(variables), MAX_ERRORS)
