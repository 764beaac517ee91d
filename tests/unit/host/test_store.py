from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import msgspec
import pytest

from ninefold.cib.apply import apply
from ninefold.cib.document import Cib
from ninefold.cib.model import AddNodes, Cause, SetNodeState, SetProperty, Stamp
from ninefold.host.store import (
    Limits,
    Store,
    StoreClosed,
    StoreDamaged,
    StoreDenied,
    StoreError,
    StoreFull,
    StoreInUse,
    StoreTooNew,
    set_aside,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ninefold.cib.model import Change


class Happened(msgspec.Struct, frozen=True):
    what: str
    text: str
    fields: dict[str, str]


CAUSE = Cause("alice", "because", 1000, 3)
DATABASE = "ninefold.db"


def after(cib: Cib, change: Change) -> Cib:
    result = apply(cib, change, CAUSE)
    assert isinstance(result, Cib)
    return result


def versions(count: int) -> Iterator[tuple[Stamp, Cib]]:
    cib = after(Cib.empty("x"), AddNodes(tuple((n, f"node{n}") for n in range(1, 41))))
    for number in range(count):
        cib = after(cib, SetProperty("n", str(number)))
        yield Stamp(4, cib.version), cib


def put(store: Store, stamp: Stamp, cib: Cib) -> None:
    store.save(stamp, cib, CAUSE).result(10)


def test_a_new_store_is_empty_and_private(tmp_path: Path) -> None:
    store = Store(tmp_path / "deep" / "state")

    assert store.load() is None
    assert store.history().result(10) == ()
    assert store.events().result(10) == ()
    assert (tmp_path / "deep" / "state").stat().st_mode & 0o77 == 0
    assert (tmp_path / "deep" / "state" / DATABASE).stat().st_mode & 0o77 == 0
    store.close()


def test_what_was_saved_is_there_after_opening_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    saved = list(versions(5))
    for future in [store.save(stamp, cib, CAUSE) for stamp, cib in saved]:
        future.result(10)
    store.close()

    store = Store(tmp_path)
    loaded = store.load()
    history = store.history(3).result(10)
    second = store.version(2).result(10)
    missing = store.version(77).result(10)
    store.close()

    assert loaded is not None
    assert loaded[0] == saved[-1][0]
    assert loaded[1].to_xml() == saved[-1][1].to_xml()
    assert [kept.n for kept in history] == [5, 4, 3]
    assert history[0].cause == CAUSE
    assert history[0].digest == saved[-1][1].digest()
    assert second is not None
    assert second[1].digest() == saved[1][1].digest()
    assert missing is None


def test_the_last_saved_is_current_even_if_it_is_older(tmp_path: Path) -> None:
    store = Store(tmp_path)
    saved = list(versions(2))
    for stamp, cib in reversed(saved):
        put(store, stamp, cib)

    loaded = store.load()
    store.close()

    assert loaded is not None
    assert loaded[0] == saved[0][0]


def test_a_status_update_does_not_store_the_configuration_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    _, cib = next(versions(1))
    for number in range(50):
        cib = after(cib, SetNodeState(1, "node1", join=str(number)))
        put(store, Stamp(4, cib.version), cib)
    store.close()

    with sqlite3.connect(tmp_path / DATABASE) as connection:
        pieces = connection.execute("SELECT count(*), max(uses) FROM pieces").fetchone()
    connection.close()
    assert pieces == (1, 50)


def test_old_versions_go_and_their_pieces_with_them(tmp_path: Path) -> None:
    store = Store(tmp_path, Limits(versions=3))
    saved = list(versions(10))
    for stamp, cib in saved:
        put(store, stamp, cib)
    kept = [line.n for line in store.history().result(10)]
    store.close()

    with sqlite3.connect(tmp_path / DATABASE) as connection:
        pieces = connection.execute("SELECT count(*) FROM pieces").fetchone()
    connection.close()
    assert kept == [10, 9, 8]
    assert pieces == (3,)


def test_versions_are_bounded_in_bytes_but_the_newest_stays(tmp_path: Path) -> None:
    store = Store(tmp_path, Limits(version_bytes=1))
    saved = list(versions(4))
    for stamp, cib in saved:
        put(store, stamp, cib)
    loaded = store.load()
    kept = [line.n for line in store.history().result(10)]
    store.close()

    assert kept == [4]
    assert loaded is not None
    assert loaded[0] == saved[-1][0]


def test_events_are_kept_in_order_and_bounded(tmp_path: Path) -> None:
    store = Store(tmp_path, Limits(events=5))
    for number in range(8):
        store.log(Happened("fenced", f"text {number}", {"node": "é"}), at=number)

    first = store.events(0, 2).result(10)
    rest = store.events(first[-1].id, 100).result(10)
    store.close()

    assert [event.text for event in first] == ["text 3", "text 4"]
    assert [event.at for event in rest] == [5, 6, 7]
    assert rest[0].fields == {"node": "é"}


def test_saves_that_wait_together_are_committed_in_order(tmp_path: Path) -> None:
    store = Store(tmp_path)
    done: list[int] = []
    futures = []
    for number, (stamp, cib) in enumerate(versions(200)):
        future = store.save(stamp, cib, CAUSE)
        future.add_done_callback(lambda _, n=number: done.append(n))  # type: ignore[misc]
        futures.append(future)
    for future in futures:
        future.result(30)
    store.close()

    assert done == list(range(200))


def test_a_second_daemon_in_the_same_directory_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)

    with pytest.raises(StoreInUse, match="stop the other"):
        Store(tmp_path)
    store.close()


def test_a_closed_store_refuses_and_closing_twice_is_fine(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.close()
    store.close()

    with pytest.raises(StoreClosed):
        store.load()


def test_a_full_database_refuses_the_save_and_later_ones_go_on(tmp_path: Path) -> None:
    # max_page_count makes SQLite answer exactly as it does for ENOSPC.
    store = Store(tmp_path, Limits(database_bytes=60 * 4096))
    stamp, cib = next(versions(1))
    put(store, stamp, cib)
    large = after(cib, SetProperty("large", os.urandom(30_000).hex()))
    larger = after(large, AddNodes(tuple((n, os.urandom(20_000).hex()) for n in range(50, 80))))

    with pytest.raises(StoreFull, match="Free some space"):
        put(store, Stamp(4, larger.version), larger)
    after_failure = store.load()
    put(store, Stamp(5, cib.version), cib)
    loaded = store.load()
    store.close()

    assert after_failure is not None
    assert after_failure[0] == stamp
    assert loaded is not None
    assert loaded[0].quorate_ring == 5


def test_a_file_that_is_no_database_is_damage_and_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_bytes(b"not a database" * 100)

    with pytest.raises(StoreDamaged, match="set-aside"):
        Store(tmp_path)
    assert (tmp_path / DATABASE).read_bytes().startswith(b"not a database")


def test_a_damaged_database_is_moved_aside_only_on_order(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for stamp, cib in versions(50):
        put(store, stamp, cib)
    store.close()
    data = bytearray((tmp_path / DATABASE).read_bytes())
    for page in range(2, len(data) // 4096):
        data[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    (tmp_path / DATABASE).write_bytes(data)

    with pytest.raises(StoreDamaged):
        Store(tmp_path)
    moved = set_aside(tmp_path)
    store = Store(tmp_path)
    empty = store.load()
    store.close()

    assert moved.read_bytes() == data
    assert empty is None


def test_a_document_that_does_not_match_its_digest_is_damage(tmp_path: Path) -> None:
    store = Store(tmp_path)
    put(store, *next(versions(1)))
    store.close()
    with sqlite3.connect(tmp_path / DATABASE) as connection:
        connection.execute("UPDATE cib_versions SET digest = 'x'")
    connection.close()

    store = Store(tmp_path)
    with pytest.raises(StoreDamaged, match="digest"):
        store.load()
    # The thread is still there.
    assert len(store.history().result(10)) == 1
    store.close()


def test_a_later_schema_is_refused(tmp_path: Path) -> None:
    Store(tmp_path).close()
    with sqlite3.connect(tmp_path / DATABASE) as connection:
        connection.execute("UPDATE meta SET value = '99'")
    connection.close()

    with pytest.raises(StoreTooNew):
        Store(tmp_path)


def test_a_directory_that_cannot_be_made_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    with pytest.raises(StoreDenied):
        Store(tmp_path / "file" / "state")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_without_permission_is_denied(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)

    with pytest.raises(StoreDenied):
        Store(tmp_path / "closed")


def test_failures_and_successes_may_alternate_and_the_thread_goes_on(tmp_path: Path) -> None:
    state = tmp_path / "state"
    limits = Limits(database_bytes=60 * 4096)
    store = Store(state, limits)
    stamp, cib = next(versions(1))
    too_large = after(cib, SetProperty("x", os.urandom(30_000).hex()))
    too_large = after(
        too_large, AddNodes(tuple((n, os.urandom(20_000).hex()) for n in range(50, 90)))
    )
    outcomes = []
    for candidate in (cib, too_large, cib, too_large, cib):
        future = store.save(Stamp(4, candidate.version), candidate, CAUSE)
        error = future.exception(10)
        outcomes.append(type(error) if error else None)
    history = store.history().result(10)
    store.close()

    assert stamp.version == cib.version
    assert outcomes == [None, StoreFull, None, StoreFull, None]
    assert len(history) == 3


CHILD = """
import sys
from pathlib import Path
from ninefold.cib.apply import apply
from ninefold.cib.document import Cib
from ninefold.cib.model import Cause, SetProperty, Stamp
from ninefold.host.store import Store

store = Store(Path(sys.argv[1]))
cause = Cause("w", "y", 1, 1)
loaded = store.load()
cib = loaded[1] if loaded else Cib.empty("x")

def report(version):
    def done(future):
        if future.exception() is None:
            sys.stdout.write(f"{version.epoch}\\n")
            sys.stdout.flush()
    return done

while True:
    for _ in range(5):
        cib = apply(cib, SetProperty("n", f"{cib.version.epoch}" * 200), cause)
        future = store.save(Stamp(4, cib.version), cib, cause)
        future.add_done_callback(report(cib.version))
    future.result()
"""


def test_every_save_that_was_reported_durable_survives_a_kill(tmp_path: Path) -> None:
    # The child says an epoch only when its future is done; then it is killed at some moment.
    reported = 0
    for number in range(8):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        first = child.stdout.readline()
        time.sleep(0.005 + 0.013 * number)
        child.send_signal(signal.SIGKILL)
        lines = [first, *child.stdout.read().splitlines(keepends=True)]
        child.wait(10)
        child.stdout.close()
        told = [int(line) for line in lines if line.endswith("\n")]
        assert told == sorted(told)
        reported = max([reported, *told])

        store = Store(tmp_path)
        loaded = store.load()
        epochs = [line.stamp.version.epoch for line in store.history(10_000).result(10)]
        store.close()
        assert loaded is not None
        assert loaded[0].version.epoch >= reported
        assert set(told) <= set(epochs)
    assert reported > 8


MOUNTED = """
import os, sys
from pathlib import Path
from ninefold.cib.apply import apply
from ninefold.cib.document import Cib
from ninefold.cib.model import Cause, SetProperty, Stamp
from ninefold.host.store import Store, StoreError

mount = Path(sys.argv[1])
cause = Cause("w", "y", 1, 1)
store = Store(mount / "state")
def save(epochs, size):
    cib = apply(Cib.empty("x"), SetProperty("n", os.urandom(size).hex()), cause)
    error = store.save(Stamp(epochs, cib.version), cib, cause).exception(10)
    return type(error).__name__ if error else "saved"
print(save(1, 100))
filler = mount / "filler"
with filler.open("wb", buffering=0) as file:
    try:
        while True:
            file.write(b"x" * 4096)
    except OSError:
        pass
outcomes = [save(n, 20000) for n in range(2, 12)]
print(outcomes[-1])
durable = 1 + outcomes.count("saved")
filler.unlink()
print(save(99, 20000))
store.close()
store = Store(mount / "state")
print(store.load()[0].quorate_ring, len(store.history().result(10)) == durable + 1)
store.close()
"""


@pytest.mark.system
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a tmpfs needs root")
def test_a_disk_that_is_full_refuses_saves_until_there_is_space(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size=512k none {tmp_path} && exec "
    mount += f'"{sys.executable}" -c "$PROGRAM" {tmp_path}'
    result = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mount],
        env={**os.environ, "PROGRAM": MOUNTED},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if "unshare:" in result.stderr or "mount:" in result.stderr:
        pytest.skip(f"no private mounts here: {result.stderr.strip()}")

    assert result.stdout.split() == ["saved", "StoreFull", "saved", "99", "True"], result.stderr


def test_every_error_has_a_sentence_and_a_remedy() -> None:
    kinds: list[type[StoreError]] = [StoreError, *StoreError.__subclasses__()]

    assert len(kinds) == 9
    for kind in kinds:
        assert str(kind("It broke.")) == f"It broke. {kind.remedy}"
        assert kind.remedy
