"""Alembic environment: runs migrations on the connection passed by `app.db.schema_version`."""

from __future__ import annotations

from alembic import context

from app.db.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
