"""The shared keys on this host: `authkey`, and beside it what a rotation has to do with.

    authkey            what this node sends under; the only one that other programs know
    authkey.next       taken already, and to be used when every node has it
    authkey.previous   taken still, until every node sends under the new one
    authkey.without    ids of the nodes that an operator has left out of this rotation
    authkey.rotation   fingerprints of the keys that this rotation is about

Theorem: whatever step of `save_keys` the power fails after, the files that are left are a set that
the node may begin from: no key that it held is gone before the one that takes its place is there, and
nobody is left out of a rotation by what another one has left behind.

An `authkey` that the rotation is not about was put there by an operator. What lies beside it is then of a
rotation that is over for this node: taken up again, it would lead the whole ring back to an old key.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.config.security import KEY_BYTES_MAX, KEY_BYTES_MIN
from ninefold.controller.requests import encode
from ninefold.core.findings import Finding, Severity
from ninefold.daemon.reply import Reply, refusal
from ninefold.host.files import sync_directory, write_durably
from ninefold.totem.keys import Key, KeySet, fresh_key
from ninefold.totem.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ninefold.config.model import ClusterConfig
    from ninefold.core.ids import NodeId
    from ninefold.node.machine import Node

REFUSED: Final = "keys-refused"
# The file's mode if there was none to copy it from.
MODE: Final = 0o400
# Who was left out is no secret, nor is what a key is called.
MODE_WITHOUT: Final = 0o644
# What Corosync wants in place of a rotation. It takes the key in three phases, as we do, but at whatever nodes
# are there at that moment: a node that is absent, or has the old file, is out of the ring afterwards.
COROSYNC: Final = (
    "The ring is Corosync's, and so is the key.",
    "1. On one node: corosync-keygen -k authkey.new",
    "2. On all nodes, none absent ('corosync-quorumtool -l'): install that as totem.keyfile, mode 0400.",
    "3. On one node: corosync-cfgtool -R",
)


class Begun(msgspec.Struct, frozen=True):
    """What was the case when the rotation was asked for: the key in use, and whether one was under way.

    `offered` names the key that is offered; while a rotation is under way, that one's key is taken.
    """

    active: str
    under_way: bool
    offered: str


class Files(msgspec.Struct, frozen=True):
    """Where the keys of a rotation are."""

    active: Path
    next: Path
    previous: Path
    without: Path
    rotation: Path

    @classmethod
    def beside(cls, keyfile: Path) -> Files:
        """Return the files of this key file; where that is a link, they lie beside its target."""
        active = keyfile.resolve()
        names = ("next", "previous", "without", "rotation")
        return cls(active, *(active.with_name(f"{active.name}.{name}") for name in names))


def load_keys(config: ClusterConfig, key: bytes) -> tuple[KeySet, list[Finding]]:
    """Return `key` with what a rotation left beside its file; a file that is no key is a finding."""
    active = Key.of(key)
    if not key or config.totem.key:
        return KeySet(active), []
    files = Files.beside(Path(config.totem.keyfile))
    findings: list[Finding] = []
    following, previous = _read(files.next, findings), _read(files.previous, findings)
    # A crash between two steps leaves a key under two names; the better name counts.
    following = None if following == active else following
    previous = None if previous in (active, following) else previous
    if (following or previous) and _is_strange(active, files.rotation):
        left = [path.name for path in (files.next, files.previous) if path.exists()]
        sentence = (
            f"It is none of the keys that {' and '.join(left)} belong to, so these are not used."
        )
        remedy = f"Remove {' and '.join(left)}, unless it is the authkey that is wrong."
        findings.append(_unfit(files.active, sentence, remedy))
        return KeySet(active), findings
    without = _read_without(files.without, findings) if following or previous else ()
    keys = KeySet(active, following, previous, without)
    if not keys.distinct:
        findings.append(
            _unfit(files.next, "It has the same id as another key of this node.", "Remove it.")
        )
        return KeySet(active), findings
    return keys, findings


def _is_strange(active: Key, rotation: Path) -> bool:
    """Whether it is known what keys the rotation is about, and this is none of them."""
    try:
        names = rotation.read_text("ascii").split()
    except (OSError, ValueError):
        return False  # it was begun by a version that did not keep that
    return active.fingerprint not in names


def _read_without(path: Path, findings: list[Finding]) -> tuple[NodeId, ...]:
    try:
        text = path.read_text("ascii")
        return tuple(sorted({int(word) for word in text.split()}))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        sentence = f"It does not tell who was left out of the rotation of keys: {error}."
        remedy = "Remove it, and name those nodes again: ninefold keys rotate --without NODE."
        findings.append(_unfit(path, sentence, remedy))
        return ()


def _read(path: Path, findings: list[Finding]) -> Key | None:
    try:
        with path.open("rb") as file:
            data = file.read(KEY_BYTES_MAX + 1)
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    except FileNotFoundError:
        return None
    except OSError as error:
        findings.append(_unfit(path, f"It cannot be read: {error.strerror}.", "Look at its mode."))
        return None
    if not KEY_BYTES_MIN <= len(data) <= KEY_BYTES_MAX:
        sentence = f"It has {len(data)} bytes; a key has {KEY_BYTES_MIN} to {KEY_BYTES_MAX}."
        findings.append(_unfit(path, sentence, "Remove it, and rotate the keys again."))
        return None
    if mode & 0o007:
        findings.append(
            _unfit(path, "Every user may read it.", f"chmod 0400 {path}, and rotate again.")
        )
    return Key.of(data)


def save_keys(keyfile: Path, keys: KeySet) -> None:
    """Make `keys` durable in place of those before. Raises `OSError`."""
    for step in save_steps(keyfile, keys):
        step()


def save_steps(keyfile: Path, keys: KeySet) -> Iterator[Callable[[], None]]:
    """Return the steps of `save_keys` in their order, each durable when it returns."""
    files = Files.beside(keyfile)
    mode = _mode(files.active)
    about = [key.fingerprint for key in keys.accepted]
    if len(about) > 1:
        yield _writing(files.rotation, (" ".join(about) + "\n").encode(), MODE_WITHOUT)
    if keys.without:
        text = " ".join(map(str, keys.without)) + "\n"
        yield _writing(files.without, text.encode(), MODE_WITHOUT)
    elif files.without.exists():
        # Before a key that it would count for.
        yield _removing(files.without)
    if keys.previous is not None:
        yield _writing(files.previous, keys.previous.material, mode)
    if keys.next is not None:
        yield _writing(files.next, keys.next.material, mode)
    if _contents(files.active) != keys.active.material:
        yield _writing(files.active, keys.active.material, mode)
    if keys.next is None and files.next.exists():
        yield _removing(files.next)
    if keys.previous is None and files.previous.exists():
        yield _removing(files.previous)
    if len(about) == 1 and files.rotation.exists():
        yield _removing(files.rotation)


def _writing(path: Path, data: bytes, mode: int) -> Callable[[], None]:
    return lambda: write_durably(path, data, mode=mode)


def _removing(path: Path) -> Callable[[], None]:
    def remove() -> None:
        path.unlink(missing_ok=True)
        sync_directory(path.parent)

    return remove


def _mode(active: Path) -> int:
    try:
        return stat.S_IMODE(active.stat().st_mode)
    except FileNotFoundError:
        return MODE


def _contents(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def judge(node: Node, without: Sequence[str]) -> tuple[Reply | None, tuple[int, ...]]:
    """Return why the keys cannot be rotated, if so; and the ids of the nodes to be left out."""
    stack = node.stack
    if not isinstance(stack, Stack):
        return refusal(REFUSED, *COROSYNC), ()
    ids = {entry.name: entry.nodeid for entry in node.config.nodes}
    unknown = [name for name in without if name not in ids]
    problems = [f"There is no node {name!r}; there are {', '.join(ids)}." for name in unknown]
    if node.config.totem.key:
        problems.append(
            "The key stands in corosync.conf (totem.key). Put it into a file of mode 0400, name that with"
            " totem.keyfile on all nodes, and start them anew one after the other."
        )
    if without and not node.quorum.quorate:
        problems.append("Nodes can be left out in a quorate partition only; this one is not.")
    chosen = tuple(ids[name] for name in without if name in ids)
    problems += [
        f"{f.subject}: {f.sentence} {f.remedy}"
        for f in stack.rotation.judge(chosen, {n: name for name, n in ids.items()})
    ]
    return (refusal(REFUSED, *problems) if problems else None), chosen


def new_key(node: Node) -> Key:
    """Draw a key whose id differs from those in use."""
    stack = node.stack
    assert isinstance(stack, Stack)
    return fresh_key(stack.rotation.keys, os.urandom)


def begun(node: Node, key: Key) -> Reply:
    """Return the answer to a rotation that begins, or goes on."""
    stack = node.stack
    assert isinstance(stack, Stack)
    seen = stack.rotation.outlook()
    return Reply(ok=True, body=encode(Begun(seen.active, seen.under_way, key.fingerprint)))


def _unfit(path: Path, sentence: str, remedy: str) -> Finding:
    return Finding("key-unfit", Severity.WARNING, path.name, sentence, remedy, str(path))
