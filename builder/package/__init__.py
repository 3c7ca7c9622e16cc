"""Package a user's own agent: ``app.zip`` with its files, ``dependencies.zip`` with its dependencies."""
