"""Compiler of GraphQL operations.

Modules, in the order to read them:

- `plan`: the data structures: fields and selections bound to the schema, and compiled operations.
- `compiler`: turns an operation into a plan; `codegen` generates the expressions, `resolver_binding` binds resolvers.
- `runtime`: executes a compiled operation; `completion` is its slow path, `field_errors` locates errors.
- `variable_coercion`, `resolve_info`, `awaitables`: what the runtime uses in place of graphql-core's functions.
- `column_projection`: which columns an operation needs.
"""
