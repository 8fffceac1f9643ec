"""Alembic migrations; `dealmark migrate` runs them."""
