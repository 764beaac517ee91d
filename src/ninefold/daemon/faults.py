"""Our own bugs end the process, aloud: a daemon that lost a part of itself must not look alive.

An exception that nobody expected may have left a machine waiting for an answer for ever. The other
members would go on counting on this node; ended, it is seen as lost, and fenced or started again.
What the world does (no file descriptors left, a peer that hung up) is logged and survived.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from ninefold.host.loop import EXIT_BUG

if TYPE_CHECKING:
    import asyncio
    from types import TracebackType

LOG: Final = logging.getLogger("ninefold.daemon")


def die(what: str, error: BaseException | None) -> None:
    """Log a bug and end with `EXIT_BUG`, without a clean-up that could do more harm."""
    LOG.critical("%s; this is a bug, the daemon ends: %r", what, error, exc_info=error)
    logging.shutdown()
    os._exit(EXIT_BUG)


def on_loop_exception(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Take what asyncio has caught for us: an exception of a callback or of a forgotten task."""
    error = context.get("exception")
    what = str(context.get("message", "an error in the event loop"))
    if error is None or isinstance(error, OSError):
        # From a socket: asyncio says so when `accept` finds no descriptor left, and tries again.
        LOG.error("%s: %s", what, error or context)
        return
    die(what, error)


def guard(loop: asyncio.AbstractEventLoop) -> None:
    """Let no exception of this process pass unseen, whatever thread or callback it comes from."""
    loop.set_exception_handler(on_loop_exception)
    threading.excepthook = _on_thread_exception
    sys.excepthook = _on_main_exception


def _on_thread_exception(args: threading.ExceptHookArgs) -> None:
    die(f"the thread {args.thread.name if args.thread else '?'} failed", args.exc_value)


def _on_main_exception(
    _: type[BaseException], error: BaseException, __: TracebackType | None
) -> None:
    die("the main thread failed", error)
