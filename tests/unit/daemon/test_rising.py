"""A number on disk that only rises, though threads write it."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ninefold.daemon.rising import Rising


class Disk:
    """Holds a number; each write waits until it is let go on."""

    def __init__(self) -> None:
        self.holds = 0
        self.writes: list[int] = []
        self.refuses = False
        self.begun = threading.Semaphore(0)
        self.let_go = threading.Semaphore(0)

    def write(self, number: int) -> None:
        self.begun.release()
        self.let_go.acquire()
        if self.refuses:
            raise OSError(5, "input/output error")
        self.holds = number
        self.writes.append(number)


def test_what_gathers_while_the_disk_is_busy_shares_one_flush_and_nothing_falls() -> None:
    disk = Disk()

    async def story(threads: ThreadPoolExecutor) -> None:
        rising = Rising(threads, disk.write, floor=3)
        first = asyncio.ensure_future(rising.save(10))
        await asyncio.to_thread(disk.begun.acquire)
        rest = [asyncio.ensure_future(rising.save(number)) for number in (30, 20, 9)]
        disk.let_go.release(2)
        await first
        await asyncio.gather(*rest)
        await rising.save(30)

    with ThreadPoolExecutor(2) as threads:
        asyncio.run(story(threads))

    assert disk.writes == [10, 30]


def test_what_is_on_the_disk_already_needs_no_write() -> None:
    disk = Disk()

    with ThreadPoolExecutor(2) as threads:
        asyncio.run(Rising(threads, disk.write, floor=7).save(7))

    assert disk.writes == []


def test_a_disk_that_refuses_says_so_to_each_and_is_asked_again() -> None:
    disk = Disk()
    disk.let_go.release(3)

    async def story(threads: ThreadPoolExecutor) -> None:
        rising = Rising(threads, disk.write, floor=0)
        disk.refuses = True
        answers = await asyncio.gather(rising.save(4), rising.save(5), return_exceptions=True)
        assert all(isinstance(answer, OSError) for answer in answers)
        disk.refuses = False
        await rising.save(4)

    with ThreadPoolExecutor(2) as threads:
        asyncio.run(story(threads))

    assert disk.writes == [5]


def test_a_number_is_saved_only_when_its_own_write_has_come_back() -> None:
    disk = Disk()

    async def story(threads: ThreadPoolExecutor) -> None:
        rising = Rising(threads, disk.write, floor=0)
        saving = asyncio.ensure_future(rising.save(4))
        await asyncio.to_thread(disk.begun.acquire)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(saving), 0.01)
        disk.let_go.release()
        await saving

    with ThreadPoolExecutor(2) as threads:
        asyncio.run(story(threads))

    assert disk.writes == [4]
