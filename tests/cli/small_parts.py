"""A copy in small parts, to be broken off between them. Light, as its process imports it first."""

from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

from app.services import copying
from tests.cli import test_commands


def _copy(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
    copying.ROWS_AT_ONCE = 20
    test_commands._orders(arguments, folder, environment)


def start_copy(terminal: test_commands.Terminal, *arguments: str) -> BaseProcess:
    """Start `orders copy` where `Terminal.run` would run it."""
    environment = {"PATH": "/usr/bin:/bin", "COLUMNS": "200"}
    process = test_commands._PROCESSES.Process(
        target=_copy, args=(["copy", *arguments], terminal.folder, environment)
    )
    process.start()
    return process


def end_copy(terminal: test_commands.Terminal, process: BaseProcess) -> test_commands.Done:
    """How it ended."""
    process.join(60)
    stdout, stderr = ((terminal.folder / f".{name}").read_text() for name in ("stdout", "stderr"))
    return test_commands.Done(process.exitcode, stdout, stderr)
