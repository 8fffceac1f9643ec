"""Alembic migrations, which `dealmark migrate` runs.

A published migration is never changed, except for comments. A migration that changes a database function changes its
file in app/db/functions and loads it, as described in that package.
"""
