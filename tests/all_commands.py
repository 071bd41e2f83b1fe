"""Imports every command of `orders`, and what some of them import only when it is needed."""

from importlib import import_module

from app.cli.commands import COMMANDS

for place in (*COMMANDS.values(), "app.main", "app.db.postgresql", "app.db.migrating"):
    import_module(place.partition(":")[0])
