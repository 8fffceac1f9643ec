"""CPUs: specifications, benchmark marks and their import.

- `sql`: read statements about CPUs; `facet_sql`: counts per attribute value.
- `cpu_import` with `cpu_import_sql` and `passmark`: import of CPU files.
- `title_matcher`: the cached matcher that finds the CPU that a seller's title names.
"""
