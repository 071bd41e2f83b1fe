"""`orders` in a process of its own, forked from one that has imported the program already.

To import it takes a second of a processor, and most of what a test does with the process much less.
How the program begins from nothing is seen by tests that start it themselves. Light, as each
process imports this module first.
"""

import gc
import io
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from app.cli.program import run

_PROCESSES = multiprocessing.get_context("forkserver")
# The program, and what it imports when it begins to serve or to read a database.
_PROCESSES.set_forkserver_preload(
    [
        *(__name__, "tests.all_commands", "aiosqlite", "uvloop", "uvicorn.lifespan.on"),
        *("uvicorn.loops.uvloop", "uvicorn.protocols.websockets.websockets_sansio_impl"),
    ]
)
# Who starts a process also counts those that have ended, which two may not do at once.
_STARTING = threading.Lock()


def _become(
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    outputs: tuple[str, str],
    prepare: Callable[[], None] | None,
) -> None:
    # What was imported is no garbage, and to look through it would copy its memory.
    gc.freeze()
    os.chdir(folder)
    os.environ.clear()  # noqa: TID251 (the process's own environment)
    os.environ.update(environment)  # noqa: TID251
    time.tzset()
    for number, name in enumerate(outputs, 1):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), number)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Who waits for a line looks into the file.
            stream.reconfigure(write_through=True)
    sys.argv = ["orders", *arguments]
    if prepare is not None:
        prepare()
    run()


class Forked:
    """A running `orders`, to be handled like a `subprocess.Popen`.

    Args:
        arguments: What is typed after `orders`.
        folder: Where it runs.
        environment: All of it.
        outputs: The files in the folder that standard output and standard error go to.
        prepare: What the process does first. It must be in a module that is light to import.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        *,
        outputs: tuple[str, str] = (".stdout", ".stderr"),
        prepare: Callable[[], None] | None = None,
    ) -> None:
        self._arguments = arguments
        # Nobody may take what an earlier process wrote for what this one says.
        for name in outputs:
            (folder / name).write_bytes(b"")
        self._process = _PROCESSES.Process(
            target=_become, args=(arguments, folder, environment, outputs, prepare)
        )
        with _STARTING:
            self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """The exit status if it has ended; what a signal has killed has the signal's, negative."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """The exit status once it has ended.

        Raises:
            subprocess.TimeoutExpired: it has not, for so many seconds.
        """
        self._process.join(timeout)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired(["orders", *self._arguments], timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Let it die on the spot."""
        self._process.kill()
