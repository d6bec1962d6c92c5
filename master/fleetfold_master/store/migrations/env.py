"""The alembic environment of each migration, on the connection that `fleetfold_master.store.migration` provides."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
