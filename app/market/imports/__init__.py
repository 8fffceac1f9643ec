"""Import of files of listings and of price snapshots.

- `importer`: the steps of both imports.
- `parse_sql`: queries that turn staged text into typed values or the reason to reject a row.
- `cpu_lookup`: finds the CPU that a row names. `merge_sql`: merges parsed rows into `listing`.
"""
