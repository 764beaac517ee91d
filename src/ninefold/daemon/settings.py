"""What a daemon is told on its command line, and what it finds on its host before it may begin.

Everything that is wrong is reported at once; nothing is opened while anything is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from ninefold.cib.document import Cib
from ninefold.cib.model import Stamp
from ninefold.config.grammar import decode, parse
from ninefold.config.load import authkey, load
from ninefold.config.model import ClusterConfig
from ninefold.core.findings import Finding, Severity, errors
from ninefold.daemon.keys import load_keys
from ninefold.host.corosync.cmap import corosync_runs
from ninefold.host.corosync.libraries import CorosyncAbsent
from ninefold.host.files import FileDamagedError, load_expected, load_ring_seq
from ninefold.host.orphans import end_orphans, owner
from ninefold.host.store import Store, StoreError
from ninefold.host.surroundings import look
from ninefold.totem.keys import KeySet

# `auto` is Corosync where one runs when the daemon starts, else the embedded ring.
CLUSTERS: Final = ("auto", "embedded", "corosync")

# The door, in the directory `run`.
SOCKET_NAME: Final = "ninefold.sock"


class Settings(msgspec.Struct, frozen=True):
    """Where things are. `cib` is a first document for a node that has none.

    `cluster` is one of `CLUSTERS`: what carries the messages.
    """

    config: Path = Path("/etc/corosync/corosync.conf")
    state: Path = Path("/var/lib/ninefold")
    run: Path = Path("/run/ninefold")
    cib: Path | None = None
    fence_directories: tuple[Path, ...] = ()
    ocf_roots: tuple[Path, ...] = ()
    watchdog_ms: int = 0
    cluster: str = "auto"


class CannotStart(Exception):
    """The daemon must not begin; `findings` say everything that is in the way."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("\n".join(str(finding) for finding in findings))
        self.findings = findings


class Beginning(msgspec.Struct, frozen=True):
    """What a node begins from."""

    config: ClusterConfig
    keys: KeySet
    ring_seq: int
    store: Store
    stamp: Stamp
    cib: Cib
    findings: tuple[Finding, ...]
    on_corosync: bool = False
    expected_floor: int = 0


def begin(settings: Settings) -> Beginning:
    """Read and check everything; raise `CannotStart` with all findings."""
    config, key, findings = configuration(settings.config)
    keys = KeySet()
    if config is not None:
        keys, unfit = load_keys(config, key)
        findings += unfit
    on_corosync = _on_corosync(settings.cluster, findings)
    ring_seq = _ring_seq(settings.state, findings)
    floor = _expected_floor(settings.state, config, findings)
    first = _first_cib(settings.cib, findings)
    store = _store(settings.state, findings)
    loaded = _loaded(store, settings.state, findings)
    if store is not None:  # held by us, so no other daemon of this node lives
        findings += _orphans(settings.state)
    if errors(findings) or config is None or store is None:
        if store is not None:
            store.close()
        assert findings
        raise CannotStart(findings)
    if loaded is not None:
        stamp, cib = loaded
    else:
        cib = first or Cib.empty(config.totem.cluster_name)
        stamp = Stamp(0, cib.version)
    found = tuple(findings)
    return Beginning(config, keys, ring_seq, store, stamp, cib, found, on_corosync, floor)


def ring_seq_file(state: Path) -> Path:
    """Return where the bound of ring numbers is kept."""
    return state / "ring-seq"


def expected_file(state: Path) -> Path:
    """Return where the highest expected votes are kept, under the name that Corosync gives them."""
    return state / "ev_tracking"


def _wrong(code: str, subject: str, sentence: str, remedy: str, file: Path) -> Finding:
    return Finding(code, Severity.ERROR, subject, sentence, remedy, str(file))


def configuration(path: Path) -> tuple[ClusterConfig | None, bytes, list[Finding]]:
    """Read and judge a corosync.conf: the configuration if it may be run, its key, all findings."""
    try:
        text = decode(path.read_bytes())
    except OSError as error:
        sentence = f"It cannot be read: {error.strerror}."
        remedy = "Name the corosync.conf by --config, and run as a user who may read it."
        return None, b"", [_wrong("conf-unreadable", "corosync.conf", sentence, remedy, path)]
    tree, _ = parse(text, file=str(path))
    surroundings = look(tree)
    config, findings = load(text, file=str(path), surroundings=surroundings)
    key = authkey(text, surroundings) if config is not None else b""
    return config, key, list(findings)


def _on_corosync(cluster: str, findings: list[Finding]) -> bool:
    """Say whether Corosync carries the messages; what stands against it is a finding."""
    assert cluster in CLUSTERS
    if cluster == "embedded":
        return False
    try:
        return corosync_runs() or cluster == "corosync"
    except CorosyncAbsent as problem:
        if cluster == "corosync":
            sentence, remedy = str(problem), "Or use --cluster embedded on every node."
            findings.append(Finding("no-corosync", Severity.ERROR, "--cluster", sentence, remedy))
        return False


def _ring_seq(state: Path, findings: list[Finding]) -> int:
    try:
        state.mkdir(mode=0o750, parents=True, exist_ok=True)
        return load_ring_seq(ring_seq_file(state)) or 0
    except FileDamagedError as error:
        findings.append(_wrong("ring-seq-damaged", "ring-seq", str(error), "", state))
    except OSError as error:
        sentence = f"The state directory cannot be used: {error.strerror}."
        remedy = "Run as root, or name another directory by --state."
        findings.append(_wrong("state-unusable", "state", sentence, remedy, state))
    return 0


def _expected_floor(state: Path, config: ClusterConfig | None, findings: list[Finding]) -> int:
    """Return the floor of the expected votes; a file that nobody asked for is not read."""
    if config is None or not config.quorum.expected_votes_tracking:
        return 0
    try:
        return load_expected(expected_file(state))
    except FileDamagedError as error:
        findings.append(_wrong("ev-tracking-damaged", "ev_tracking", str(error), "", state))
    except OSError as error:
        sentence = f"{expected_file(state)} cannot be read: {error.strerror}."
        remedy = "Run as root, or remove it to expect the votes of corosync.conf."
        findings.append(_wrong("ev-tracking-unreadable", "ev_tracking", sentence, remedy, state))
    return 0


def _first_cib(path: Path | None, findings: list[Finding]) -> Cib | None:
    if path is None:
        return None
    try:
        text = path.read_bytes()
    except OSError as error:
        sentence = f"It cannot be read: {error.strerror}."
        findings.append(_wrong("cib-unreadable", "cib", sentence, "Name another by --cib.", path))
        return None
    cib, found = Cib.parse(text)
    findings += [msgspec.structs.replace(finding, file=str(path)) for finding in found]
    return cib


def _orphans(state: Path) -> list[Finding]:
    """End what an earlier daemon's agents still do: it must not take effect after the probes."""
    found = end_orphans(owner(state))
    findings = [
        Finding(
            "orphan-ended",
            Severity.WARNING,
            orphan.agent,
            f"The call {orphan} of an earlier daemon was still under way; it was ended.",
            "Nothing needs to be done: the resource is probed.",
        )
        for orphan in found.ended
    ]
    return findings + [
        Finding(
            "orphan-unkillable",
            Severity.ERROR,
            orphan.agent,
            f"The call {orphan} of an earlier daemon is still under way and cannot be ended.",
            "It hangs in the kernel (a dead file server?). Reboot this host.",
        )
        for orphan in found.left
    ]


def _store(state: Path, findings: list[Finding]) -> Store | None:
    if not state.is_dir():
        return None
    try:
        return Store(state)
    except StoreError as error:
        findings.append(_store_finding(error, state))
        return None


def _loaded(store: Store | None, state: Path, findings: list[Finding]) -> tuple[Stamp, Cib] | None:
    if store is None:
        return None
    try:
        return store.load()
    except StoreError as error:
        findings.append(_store_finding(error, state))
        return None


def _store_finding(error: StoreError, state: Path) -> Finding:
    """Return a finding of the error's own two sentences: what is wrong, and what to do."""
    sentence = str(error).removesuffix(error.remedy).rstrip()
    return _wrong("store", "store", sentence, error.remedy, state)
