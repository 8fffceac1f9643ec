"""Current bodies of the functions and triggers in the database, one .sql file per function.

The migrations define what a database contains; these files show the result, and a test compares them with a migrated
database. A migration that changes a function changes its file and loads it:

    for statement in function_statements("record_price_changes"):
        op.execute(statement)

Such a migration always loads the newest file, so its `downgrade` must contain the previous text. When a later migration
changes the same function again, copy the text that the earlier one loaded into the earlier migration.
"""

from __future__ import annotations

from pathlib import Path

DIRECTORY = Path(__file__).parent


def function_names() -> list[str]:
    """Return the names of all functions that have a file."""
    return sorted(path.stem for path in DIRECTORY.glob("*.sql"))


def function_statements(name: str) -> list[str]:
    """Return the statements that create or replace a function and its triggers.

    They are separate because asyncpg runs one statement at a time. A file contains one function, with the body
    between $$ and $$, and then its triggers.
    """
    head, body, tail = (DIRECTORY / f"{name}.sql").read_text().split("$$")
    triggers = (statement.strip() for statement in tail.split(";"))
    return [f"{head}$${body}$$", *filter(None, triggers)]
