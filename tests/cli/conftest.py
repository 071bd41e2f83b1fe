"""Terminals: without a database, and with one on each engine, before and after `orders migrate`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_commands import DatabaseTerminal, Terminal
from tests.databases import Databases, PostgreSQLDatabases, SQLiteDatabases


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    """For commands that need no database, or look for SQLite's file where none is."""
    return Terminal(tmp_path)


@pytest.fixture
def empty_terminal(databases: Databases, tmp_path: Path) -> Iterator[DatabaseTerminal]:
    """Before `orders migrate`, on each engine."""
    with databases.for_folder(tmp_path, migrated=False) as home:
        yield DatabaseTerminal(tmp_path, home)


@pytest.fixture
def migrated_terminal(databases: Databases, tmp_path: Path) -> Iterator[DatabaseTerminal]:
    """After `orders migrate`, on each engine."""
    with databases.for_folder(tmp_path) as home:
        yield DatabaseTerminal(tmp_path, home)


@pytest.fixture
def sqlite_terminal(
    sqlite_databases: SQLiteDatabases, tmp_path: Path
) -> Iterator[DatabaseTerminal]:
    """After `orders migrate`, for what is no matter of the engine, or of SQLite's file only."""
    with sqlite_databases.for_folder(tmp_path) as home:
        yield DatabaseTerminal(tmp_path, home)


@pytest.fixture
def postgresql_terminal(
    postgresql_databases: PostgreSQLDatabases, tmp_path: Path
) -> Iterator[DatabaseTerminal]:
    """After `orders migrate`, for what only PostgreSQL does."""
    with postgresql_databases.for_folder(tmp_path) as home:
        yield DatabaseTerminal(tmp_path, home)
