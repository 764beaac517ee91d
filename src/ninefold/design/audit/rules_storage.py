"""Rules of storage: disks, arrays of disks, paths, replicas, file servers, what is mounted when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.design.audit.rules import (
    ERROR,
    WARNING,
    Rule,
    Sight,
    clustered,
    is_guest,
    open_question,
    why_unread,
)
from ninefold.design.audit.wiring import alone_below, disk_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ninefold.design.audit.facts import Disk, HostFacts

# Drivers of controllers that make disks of several disks, and show the system one.
HARDWARE_RAID: Final = (
    "megaraid_sas",
    "mpt3sas",
    "mpt2sas",
    "hpsa",
    "smartpqi",
    "aacraid",
    "arcmsr",
    "3w-9xxx",
    "cciss",
)
_FAR: Final = ("fc", "iscsi")
_SERVER_FS: Final = ("nfs", "nfs4", "cifs", "smb3")


def single_disk(facts: HostFacts) -> Iterator[Sight]:
    """A disk that nothing doubles, and what lies on it."""
    lying: dict[str, list[str]] = {}
    disks: dict[str, Disk] = {}
    for mount in facts.mounts:
        if mount.network:
            continue
        device = disk_of(facts, mount)
        if device is None:
            if mount.fstype in ("overlay", "zfs"):
                what = "a pool of ZFS" if mount.fstype == "zfs" else "a container's layers"
                yield open_question(
                    mount.target,
                    f"{mount.target} lies on {what}; which disks that needs is unknown.",
                    f"{mount.source} {mount.fstype}",
                    "Look at `zpool status`."
                    if mount.fstype == "zfs"
                    else "Audit the host of the container.",
                )
            continue
        for disk in alone_below(facts, device.name):
            lying.setdefault(disk.name, []).append(mount.target)
            disks[disk.name] = disk
    if not facts.disks or not facts.mounts:
        why = why_unread(facts, "disks", "sys/block", "mount")
        yield open_question(
            "disks", "Which disks there are is unknown.", why, "Run the audit on the host itself."
        )
    for name in sorted(lying):
        if disks[name].kind == "multipath" or disks[name].transport in _FAR:
            continue  # the array's rules look at these
        yield _one_disk(facts, disks[name], sorted(lying[name]))


def _one_disk(facts: HostFacts, disk: Disk, targets: list[str]) -> Sight:
    what = " ".join(word for word in (disk.model, disk.serial) if word)
    evidence = f"{disk.name}{f' ({what})' if what else ''}: {', '.join(targets)}"
    if is_guest(facts) or disk.transport == "virtio":
        return open_question(
            disk.name,
            f"{disk.name} is a virtual disk: what it lies on, the machine below knows.",
            evidence,
            "Look at the hypervisor's storage.",
        )
    if disk.controller in HARDWARE_RAID:
        return open_question(
            disk.name,
            f"{disk.name} hangs on a controller that can double disks by itself; whether it does is unknown.",
            f"{evidence}; driver {disk.controller}",
            "Ask the controller with its vendor's tool.",
        )
    return Sight(
        disk.name,
        f"{', '.join(targets)} {'is' if len(targets) == 1 else 'are'} lost with {disk.name}.",
        evidence,
        "Mirror it: mdadm RAID 1 over two disks, or a RAID controller.",
    )


def degraded(facts: HostFacts) -> Iterator[Sight]:
    """An array that has lost a member."""
    for raid in facts.raids:
        told = f"{raid.name} {raid.level}: {raid.working} of {raid.wanted} work, state {raid.state}"
        if raid.level == "zfs":
            if raid.state != "ONLINE":
                yield Sight(
                    raid.name,
                    f"The pool {raid.name} is {raid.state}.",
                    told,
                    "See `zpool status`, replace the device.",
                )
            continue
        if raid.working < raid.wanted:
            rebuilding = (
                f", rebuilding: {raid.sync_percent:.0f} %" if raid.sync_percent is not None else ""
            )
            gone = f"; faulty: {', '.join(raid.faulty)}" if raid.faulty else ""
            yield Sight(
                raid.name,
                f"{raid.name} has lost {raid.wanted - raid.working} of {raid.wanted} members{rebuilding}.",
                told + gone,
                "Replace the disk and add it: mdadm --add; keep a spare.",
            )


def striped(facts: HostFacts) -> Iterator[Sight]:
    """An array that is lost with any of its disks."""
    for raid in facts.raids:
        if (
            raid.level in ("raid0", "linear", "btrfs-raid0", "btrfs-single")
            and len(raid.members) > 1
        ):
            yield Sight(
                raid.name,
                f"{raid.name} is lost with any one of its {len(raid.members)} disks.",
                f"{raid.name} {raid.level}: {', '.join(raid.members)}",
                "Use RAID 1 or 10 for what must stay.",
            )


def failed_path(facts: HostFacts) -> Iterator[Sight]:
    """A map with a dead path."""
    for one in facts.multipaths:
        dead = [path for path in one.paths if path not in one.working]
        if dead:
            yield Sight(
                one.name,
                f"{len(dead)} of {len(one.paths)} paths of {one.name} do not work.",
                f"working: {', '.join(one.working) or 'none'}; not: {', '.join(dead)}",
                "Check cable, port, zone and the array's controller; `multipath -ll` shows each path.",
            )


def single_path(facts: HostFacts) -> Iterator[Sight]:
    """A disk far away by one way."""
    for one in facts.multipaths:
        if len(one.paths) < 2:
            yield Sight(
                one.name,
                f"{one.name} has one path.",
                f"paths: {', '.join(one.paths) or 'none'}",
                "Give it a second path, by another adapter and switch.",
            )
    below = {path for one in facts.multipaths for path in one.paths}
    below |= {path for disk in facts.disks if disk.kind == "multipath" for path in disk.parents}
    for disk in facts.disks:
        if disk.transport in _FAR and disk.kind == "disk" and disk.name not in below:
            yield Sight(
                disk.name,
                f"{disk.name} is reached by one path.",
                f"{disk.name} by {disk.transport}, below no multipath map",
                "Use multipath over two adapters and two switches.",
            )


def queueing(facts: HostFacts) -> Iterator[Sight]:
    """I/O that hangs for ever."""
    for one in facts.multipaths:
        if "queue_if_no_path" in one.features:
            yield Sight(
                one.name,
                f"If all paths of {one.name} are lost, its users hang for ever, and no monitor sees it.",
                f"features {one.features}",
                "Set no_path_retry to a number in multipath.conf; monitor timeouts must be longer.",
            )
        elif not one.features:
            yield open_question(
                one.name,
                f"What {one.name} does when all paths are lost is unknown.",
                why_unread(facts, "multipathd"),
                "Run the audit as root with multipathd running.",
            )


def one_array(facts: HostFacts) -> Iterator[Sight]:
    """The array itself, which no host can look into."""
    far = [d for d in facts.disks if d.transport in _FAR and d.kind == "disk"]
    far += [d for d in facts.disks if d.kind == "multipath"]
    models = sorted({d.model for d in far if d.model})
    if far:
        yield open_question(
            "array",
            "Whether what comes over the storage network lies on one array or two is unknown.",
            f"{', '.join(d.label or d.name for d in far)}{': ' if models else ''}{', '.join(models)}",
            "Ask the owner of the storage; a second copy takes DRBD, Ceph or the array's own replication.",
        )


def one_server(facts: HostFacts) -> Iterator[Sight]:
    """A file server."""
    for mount in facts.mounts:
        if mount.fstype in _SERVER_FS:
            server = file_server(mount.source)
            yield Sight(
                mount.target,
                f"{mount.target} is gone when {server} is; NFS mounted hard hangs whoever looks at it.",
                f"{mount.source} on {mount.target} type {mount.fstype} ({mount.options})",
                "Make the server a cluster (an exported file system, and an address that moves), or replicate (DRBD, Ceph).",
            )


def file_server(source: str) -> str:
    """Return the server of `server:/path`, `[::1]:/path` or `//server/share`."""
    if source.startswith("//"):
        return source[2:].partition("/")[0]
    return source.partition(":/")[0].strip("[]") or source


def replica(facts: HostFacts) -> Iterator[Sight]:
    """A replica that is none at the moment."""
    for one in facts.drbd:
        whole = one.disk == "UpToDate" and "Connected" in one.connection.split("/")
        if not whole or len({*one.connection.split("/")}) > 1:
            yield Sight(
                one.name,
                f"{one.name} is {one.role}, its disk {one.disk}, its connection {one.connection}: there may be one copy only.",
                f"role {one.role}, disk {one.disk}, connection {one.connection}",
                "See `drbdadm status`; if it is split-brain, decide which side's changes are thrown away.",
            )


def became_read_only(facts: HostFacts) -> Iterator[Sight]:
    """A file system that the kernel no longer lets anybody write to."""
    planned = {line.target: line.options.split(",") for line in facts.planned}
    for mount in facts.mounts:
        options = mount.options.split(",")
        if "ro" in options and mount.target in planned and "ro" not in planned[mount.target]:
            yield Sight(
                mount.target,
                f"{mount.target} is read-only, though it should not be: the kernel does so after errors.",
                f"{mount.source} on {mount.target} ({mount.options}); fstab: {','.join(planned[mount.target])}",
                "Look at the kernel's log and at the disk; check the file system before you mount it again.",
            )


def mounted_twice(facts: HostFacts) -> Iterator[Sight]:
    """A file system of the cluster's that the system mounts too."""
    if facts.managed is None or not facts.managed.cib_read:
        if clustered(facts):
            why = why_unread(facts, "cib", "CIB")
            yield open_question(
                "fstab",
                "Whether fstab mounts what the cluster manages is unknown.",
                why,
                "Run the audit as root on a node.",
            )
        return
    for line in facts.planned:
        if line.target in facts.managed.mounts and "noauto" not in line.options.split(","):
            yield Sight(
                line.target,
                f"{line.target} is mounted at boot and by the cluster: two nodes may write to it at once.",
                f"/etc/fstab: {line.source} {line.target} {line.fstype} {line.options}; CIB: Filesystem {line.target}",
                "Remove the line from /etc/fstab, or add noauto.",
            )


RULES: Final = (
    Rule("disk-single", "storage", WARNING, True, "A disk that nothing doubles", single_disk),
    Rule("raid-degraded", "storage", ERROR, False, "An array without a member", degraded),
    Rule("raid-striped", "storage", WARNING, True, "An array without redundancy", striped),
    Rule("path-failed", "storage", ERROR, False, "A dead path", failed_path),
    Rule("path-single", "storage", WARNING, True, "One path to a disk", single_path),
    Rule("path-queueing", "storage", WARNING, False, "queue_if_no_path", queueing),
    Rule("array-single", "storage", WARNING, True, "One storage array", one_array),
    Rule("file-server-single", "storage", WARNING, True, "NFS or CIFS from one server", one_server),
    Rule("drbd-alone", "storage", ERROR, False, "A replica without its peer", replica),
    Rule(
        "mount-read-only", "storage", ERROR, False, "A file system gone read-only", became_read_only
    ),
    Rule(
        "fstab-managed",
        "storage",
        ERROR,
        False,
        "fstab mounts what the cluster manages",
        mounted_twice,
    ),
)
