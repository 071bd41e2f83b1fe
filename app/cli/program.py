"""Where the command `orders` begins: light, so that Ctrl-C ends it quietly from the start on."""

import gc
import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module

_INTERRUPTED = 130  # 128 + SIGINT, as shells have it


@contextmanager
def ended_by_interrupts() -> Generator[None]:
    """Let Ctrl-C end the process at once, with status 130.

    For work that leaves nothing to tidy up. KeyboardInterrupt would come wherever Python is, also
    in the middle of an import or of closing a connection, and be told about at length.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def no_search_for_garbage() -> Generator[None]:
    """Leave garbage alone meanwhile, and never look for it in what is there at the end.

    Imports make two hundred thousand objects, of which less than a thousand are garbage. To look
    through them again and again took a sixth of the start, and once they are there another sixth.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def run() -> None:
    """Run the command line; exit 1 with one sentence on what is wrong, 2 on wrong usage."""
    with ended_by_interrupts(), no_search_for_garbage():
        commands = import_module("app.cli.commands")
    try:
        commands.run()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
