"""Which SQLite library serves the process, and how it is set up before its first connection."""

import ctypes
import importlib
import sys

_NEWER = "pysqlite3"
_CONFIG_MEMSTATUS = 9
_OK = 0


class _Setup:
    is_done = False


def prefer_newer_library() -> None:
    """Have whatever imports `sqlite3` from now on get the newer library, where it is installed.

    The newer one answers `get_all` in two thirds of the time of Python's own, which is as old as
    the system. It is for the whole process or not at all: locks on a file belong to a process, and
    one library that closes a file lets go of the other's locks on it. So it takes the place of
    `sqlite3` for SQLAlchemy and aiosqlite too, which import it by that name.

    Where aiosqlite was imported before, all stays as it is: it has the other one.

    Source: SQLite's documentation, How To Corrupt An SQLite Database File, 2.2.1.
    """
    if "aiosqlite" in sys.modules:
        return
    try:
        sys.modules["sqlite3"] = importlib.import_module(_NEWER)
    except ImportError:  # there is none for this platform
        return
    sys.modules["sqlite3.dbapi2"] = importlib.import_module(f"{_NEWER}.dbapi2")
    sys.modules["_sqlite3"] = importlib.import_module(f"{_NEWER}._sqlite3")


def leave_out_memory_statistics() -> bool:
    """Have SQLite not count what memory it uses: that takes a lock twice for each piece of it.

    A page of orders takes a tenth less time without. Nobody reads these figures here. It is for
    the whole process, and only possible while it has no connection; a second time changes nothing.

    Returns:
        Whether they are left out. Where Python has a library of its own that can't be reached,
        all is as it was.

    Source: SQLite's documentation, sqlite3_config, SQLITE_CONFIG_MEMSTATUS; its recommended
    compile-time options.
    """
    if _Setup.is_done:
        return True
    try:
        # By the module's own handle, so that it is the library that Python uses, and no other.
        library = ctypes.CDLL(importlib.import_module("_sqlite3").__file__)
        shut_down, configure, initialize = (
            library.sqlite3_shutdown,
            library.sqlite3_config,
            library.sqlite3_initialize,
        )
    except (AttributeError, OSError):
        return False
    # What follows the first argument is passed as C's variable arguments.
    configure.argtypes = [ctypes.c_int]
    shut_down()
    _Setup.is_done = configure(_CONFIG_MEMSTATUS, ctypes.c_int(0)) == _OK
    initialize()
    return _Setup.is_done
