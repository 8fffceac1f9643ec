"""Keys of advisory locks."""

from __future__ import annotations

from app.db import advisory_locks
from app.db.functions import function_statements


def test_advisory_lock_keys_are_distinct() -> None:
    keys = [value for name, value in vars(advisory_locks).items() if name.isupper()]
    assert len(keys) == 7
    assert len(set(keys)) == len(keys)


def test_trigger_function_takes_the_lock_of_cpu_writers() -> None:
    assert f"pg_advisory_xact_lock({advisory_locks.CPU_WRITERS_LOCK})" in function_statements("lock_cpu_writers")[0]
