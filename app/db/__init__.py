"""Tables, connections and migrations: the only place that knows a database."""
