"""Run by Alembic: takes the migrations along in the transaction that the ledger has opened."""

from alembic import context

from node.ledger.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
