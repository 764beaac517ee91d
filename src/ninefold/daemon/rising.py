"""A number on disk that only rises, whatever order the threads come in.

Theorem: once `save(n)` has returned, the file never holds less than n. Each save is a file of its own that
takes the place of the one before, so they are made one after the other, and each writes the greatest number that
was asked for by then: what has gathered while the disk was busy shares one flush.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor


class Rising:
    """The greatest number that was saved. `write` makes one durable, in a thread of `threads`.

    `floor` is what is on the disk at the start.
    """

    def __init__(self, threads: Executor, write: Callable[[int], None], *, floor: int) -> None:
        self._threads = threads
        self._write = write
        self._saved = self._wanted = floor
        self._order = asyncio.Lock()

    async def save(self, number: int) -> None:
        """Return when the disk holds `number`, or a greater one. Raises `OSError`."""
        self._wanted = max(self._wanted, number)
        async with self._order:
            if number <= self._saved:
                return
            wanted = self._wanted
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._threads, self._write, wanted)
            self._saved = wanted
