"""Runs migrations on the connection that `app.db.schema_version` hands over."""

from __future__ import annotations

from alembic import context

from app.db.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
