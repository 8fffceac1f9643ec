"""Execution of GraphQL operations, independent of HTTP.

- `document`: parse, validate and analyse a document; `validation_rules` limits its size, `cost` its cost,
  `input_limits` the values of its arguments.
- `compiler`: compile its operations.
- `executor`: execute them; `explain` shows their generated code and SQL.
- `request`: a parsed GraphQL request.
"""
