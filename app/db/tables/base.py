"""Metadata, column types and constraints that the tables share."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import CheckConstraint, DateTime, MetaData, Numeric

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    }
)

Money = Numeric(12, 2)
Timestamp = DateTime(timezone=True)


def one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    """Return a CHECK that `column` holds a value of the enumeration."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def not_negative(column: str) -> CheckConstraint:
    """Return a CHECK that `column` is null or not negative."""
    return CheckConstraint(f"{column} >= 0", name=column)


def is_amount(column: str) -> CheckConstraint:
    """Return a CHECK that `column` is null or a number that is not negative. NUMERIC sorts NaN above all numbers."""
    return CheckConstraint(f"{column} >= 0 AND {column} <> 'NaN'", name=column)
