"""Tables, connections and migrations: the only place that knows a database."""

from app.db.sqlite_library import prefer_newer_library

# Before any module here imports `sqlite3`, or what stands on it.
prefer_newer_library()
