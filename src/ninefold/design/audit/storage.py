"""Disks and what is built on them: RAID, multipath, LVM, DRBD, and what is mounted.

By /sys/block, the udev database (/run/udev/data) and /proc; LVM's and DRBD's own tools are asked
for JSON where they are installed and may be used.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ninefold.design.audit.facts import Disk, Drbd, Mount, Multipath, Planned, Raid, VolumeGroup

if TYPE_CHECKING:
    from ninefold.design.audit.source import Source

_SECTOR: Final = 512
NETWORK_FS: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "fuse.glusterfs", "ceph", "fuse.ceph", "fuse.sshfs", "gfs2"}
    | {"ocfs2", "lustre", "beegfs", "afs", "9p"}
)
# Kernel objects that look like file systems.
_PSEUDO: Final = frozenset(
    {"proc", "sysfs", "devtmpfs", "devpts", "tmpfs", "cgroup", "cgroup2", "securityfs", "pstore"}
    | {"bpf", "tracefs", "debugfs", "configfs", "mqueue", "hugetlbfs", "fusectl", "autofs", "nsfs"}
    | {"binfmt_misc", "ramfs", "rpc_pipefs", "efivarfs", "selinuxfs", "overlay", "squashfs"}
)


def mounts(source: Source) -> tuple[Mount, ...]:
    """Return what is mounted for users."""
    in_fstab = [line.target for line in planned(source)]
    rows: dict[str, Mount] = {}
    for line in (source.text("/proc/self/mountinfo", optional=False) or "").splitlines():
        before, dash, after = line.partition(" - ")
        left, right = before.split(), after.split()
        if not dash or len(left) < 6 or len(right) < 2:
            continue
        fstype, origin = right[0], _unescaped(right[1])
        target = _unescaped(left[4])
        if fstype in _PSEUDO and not (target == "/" and fstype == "overlay"):
            continue
        rows[target] = Mount(
            origin, target, fstype, left[5], fstype in NETWORK_FS, target in in_fstab
        )
    return tuple(rows[target] for target in sorted(rows))


def planned(source: Source) -> tuple[Planned, ...]:
    """Return the lines of /etc/fstab, swap apart."""
    rows = []
    for line in (source.text("/etc/fstab") or "").splitlines():
        words = line.split("#")[0].split()
        if len(words) > 2 and words[2] != "swap":
            options = words[3] if len(words) > 3 else "defaults"
            rows.append(Planned(_unescaped(words[0]), _unescaped(words[1]), words[2], options))
    return tuple(rows)


def _unescaped(text: str) -> str:
    """Undo the octal escapes of the kernel's mount tables."""
    return re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), text)


def disks(source: Source) -> tuple[Disk, ...]:
    """Return block devices and partitions with what they stand on."""
    where: dict[str, list[str]] = {}
    for line in (source.text("/proc/self/mountinfo") or "").splitlines():
        left = line.partition(" - ")[0].split()
        if len(left) > 4:
            where.setdefault(left[2], []).append(_unescaped(left[4]))
    rows = []
    for name in source.entries("/sys/block"):
        if name.startswith(("ram", "zram", "nbd")) and not source.number(f"/sys/block/{name}/size"):
            continue
        if name.startswith("loop") and not source.exists(f"/sys/block/{name}/loop"):
            continue
        rows.append(_disk(source, f"/sys/block/{name}", name, (), where))
        rows += [
            _disk(source, f"/sys/block/{name}/{part}", part, (name,), where)
            for part in source.entries(f"/sys/block/{name}")
            if source.exists(f"/sys/block/{name}/{part}/partition")
        ]
    return tuple(rows)


def _disk(
    source: Source, path: str, name: str, parents: tuple[str, ...], where: dict[str, list[str]]
) -> Disk:
    number = source.line(f"{path}/dev")
    udev = _udev(source, number)
    rotational = source.number(f"{path}/queue/rotational")
    serial = udev.get("ID_SERIAL_SHORT") or source.line(f"{path}/device/serial")
    return Disk(
        name,
        _kind(source, path, name, parents),
        (source.number(f"{path}/size") or 0) * _SECTOR,
        None if rotational is None else bool(rotational),
        udev.get("ID_MODEL") or source.line(f"{path}/device/model"),
        serial,
        _transport(source, path, name, udev),
        parents or tuple(source.entries(f"{path}/slaves")),
        udev.get("ID_FS_TYPE", ""),
        udev.get("ID_FS_UUID", ""),
        tuple(where.get(number, ())),
        read_only=source.number(f"{path}/ro") == 1,
        label=source.line(f"{path}/dm/name"),
        controller="" if parents else _controller(source, path),
    )


def _controller(source: Source, path: str) -> str:
    """Return the driver of the SCSI host that a disk hangs on (`megaraid_sas`, `ahci`)."""
    host = re.search(r"/(host\d+)/", source.link(path))
    return source.line(f"/sys/class/scsi_host/{host[1]}/proc_name") if host else ""


def _udev(source: Source, number: str) -> dict[str, str]:
    lines = (source.text(f"/run/udev/data/b{number}") or "").splitlines()
    return {k: v for k, eq, v in (line[2:].partition("=") for line in lines if line[:2] == "E:")}


def _kind(source: Source, path: str, name: str, parents: tuple[str, ...]) -> str:
    if parents:
        return "partition"
    if name.startswith("md"):
        return "raid"
    if name.startswith("dm-"):
        uuid = source.line(f"{path}/dm/uuid")
        return {"LVM": "lvm", "mpath": "multipath", "CRYPT": "crypt"}.get(uuid.split("-")[0], "dm")
    for prefix, kind in (("loop", "loop"), ("sr", "rom"), ("drbd", "drbd")):
        if name.startswith(prefix):
            return kind
    return "disk"


def _transport(source: Source, path: str, name: str, udev: dict[str, str]) -> str:
    if name.startswith("nvme"):
        return "nvme"
    if name.startswith("vd"):
        return "virtio"
    way = source.link(path)
    for mark, transport in (("/rport-", "fc"), ("/session", "iscsi"), ("/usb", "usb")):
        if mark in way:
            return transport
    return udev.get("ID_BUS", "")


def raids(source: Source) -> tuple[Raid, ...]:
    """Return the md arrays, by /sys/block/md*/md, and btrfs and ZFS of several devices."""
    rows = [*_btrfs(source), *_zfs(source)]
    for name in source.entries("/sys/block"):
        md = f"/sys/block/{name}/md"
        if not source.exists(md):
            continue
        states = {
            entry.removeprefix("dev-"): source.line(f"{md}/{entry}/state").split(",")
            for entry in source.entries(md)
            if entry.startswith("dev-")
        }
        working = [m for m, s in states.items() if "in_sync" in s and "faulty" not in s]
        level = source.line(f"{md}/level")
        rows.append(
            Raid(
                name,
                level,
                source.number(f"{md}/raid_disks") or 0,
                len(working),
                tuple(sorted(states)),
                tuple(sorted(m for m, s in states.items() if "faulty" in s)),
                tuple(sorted(m for m, s in states.items() if "spare" in s)),
                source.line(f"{md}/array_state") or "unknown",
                _sync(source.line(f"{md}/sync_completed")),
            )
        )
    return tuple(rows)


def _btrfs(source: Source) -> list[Raid]:
    """Return each mounted btrfs of several devices; its level is that of its data."""
    rows = []
    for uuid in source.entries("/sys/fs/btrfs"):
        base = f"/sys/fs/btrfs/{uuid}"
        members = source.entries(f"{base}/devices")
        if len(members) < 2:
            continue
        levels = [
            entry
            for entry in source.entries(f"{base}/allocation/data")
            if entry.startswith(("raid", "dup", "single"))
        ]
        gone = [m for m in members if source.number(f"{base}/devinfo/{m}/missing") == 1]
        name = source.line(f"{base}/label") or uuid
        level = f"btrfs-{levels[0]}" if len(levels) == 1 else "btrfs"
        working = len(members) - len(gone)
        rows.append(Raid(name, level, len(members), working, tuple(members), (), (), "mounted"))
    return rows


def _zfs(source: Source) -> list[Raid]:
    """Return ZFS pools with their state; the kernel does not show what they are made of."""
    rows = []
    for pool in source.entries("/proc/spl/kstat/zfs"):
        state = source.line(f"/proc/spl/kstat/zfs/{pool}/state")
        if state:
            rows.append(Raid(pool, "zfs", 0, 0, (), (), (), state))
    return rows


def _sync(text: str) -> float | None:
    """Return `1024 / 4096` as 25 percent; `none` and what is no fraction as `None`."""
    done, slash, whole = (part.strip() for part in text.partition("/"))
    if not slash or not done.isdigit() or not whole.isdigit() or int(whole) == 0:
        return None
    return 100.0 * int(done) / int(whole)


def multipaths(source: Source) -> tuple[Multipath, ...]:
    """Return multipath maps, by device mapper; which paths work, by their devices' state."""
    rows = []
    maps = [
        name
        for name in source.entries("/sys/block")
        if source.line(f"/sys/block/{name}/dm/uuid").startswith("mpath-")
    ]
    told = _multipathd(source) if maps and source.real else {}
    for name in maps:
        paths = source.entries(f"/sys/block/{name}/slaves")
        working = [
            p for p in paths if source.line(f"/sys/block/{p}/device/state") in ("running", "live")
        ]
        label = source.line(f"/sys/block/{name}/dm/name") or name
        features, failed = told.get(label, ("", ()))
        working = [path for path in working if path not in failed]
        rows.append(Multipath(label, tuple(paths), tuple(working), features))
    return tuple(rows)


def _multipathd(source: Source) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return what the daemon knows: features of each map, and the paths that failed."""
    report = source.run("multipathd", "show", "maps", "json")
    try:
        found: Any = msgspec.json.decode(report or b"{}")
        return {
            str(one["name"]): (
                str(one.get("features", "")),
                tuple(
                    str(path["dev"])
                    for group in one.get("path_groups", [])
                    for path in group.get("paths", [])
                    if path.get("dm_st") == "failed"
                ),
            )
            for one in found.get("maps", [])
        }
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        source.note("multipathd show maps", "its answer is not understood")
        return {}


def volume_groups(source: Source) -> tuple[VolumeGroup, ...]:
    """Return LVM's volume groups; LVM's own report needs root, device mapper's names do not."""
    report = None
    if source.real and any(
        source.line(f"/sys/block/{name}/dm/uuid").startswith("LVM-")
        for name in source.entries("/sys/block")
    ):
        columns = "vg_name,pv_name,lv_name,vg_systemid,vg_lock_type"
        report = source.run(
            "lvm", "fullreport", "--reportformat", "json", "--readonly", "-o", columns
        )
    if report is not None:
        return _lvm_report(report)
    groups: dict[str, tuple[set[str], set[str]]] = {}
    for name in source.entries("/sys/block"):
        if not source.line(f"/sys/block/{name}/dm/uuid").startswith("LVM-"):
            continue
        group, volume = lvm_names(source.line(f"/sys/block/{name}/dm/name"))
        below, volumes = groups.setdefault(group, (set(), set()))
        below.update(source.entries(f"/sys/block/{name}/slaves"))
        volumes.add(volume)
    return tuple(
        VolumeGroup(group, tuple(sorted(below)), tuple(sorted(volumes)))
        for group, (below, volumes) in sorted(groups.items())
    )


def lvm_names(label: str) -> tuple[str, str]:
    """Return group and volume of a device mapper's name: one dash parts them, two are one."""
    parts = re.split(r"(?<!-)-(?!-)", label, maxsplit=1)
    plain = [part.replace("--", "-") for part in parts]
    return plain[0], plain[1] if len(plain) > 1 else ""


def _lvm_report(report: bytes) -> tuple[VolumeGroup, ...]:
    try:
        found: Any = msgspec.json.decode(report)
        groups = found["report"]
        rows = []
        for one in groups:
            head = one["vg"][0]
            rows.append(
                VolumeGroup(
                    str(head["vg_name"]),
                    tuple(sorted(str(pv["pv_name"]) for pv in one.get("pv", []))),
                    tuple(sorted(str(lv["lv_name"]) for lv in one.get("lv", []))),
                    str(head.get("vg_systemid", "")),
                    shared=bool(head.get("vg_lock_type")),
                )
            )
    except (msgspec.DecodeError, KeyError, IndexError, TypeError):
        return ()
    return tuple(sorted(rows, key=lambda row: row.name))


def drbd(source: Source) -> tuple[Drbd, ...]:
    """Return DRBD's resources: version 9 by its tool's JSON, version 8 by /proc/drbd."""
    text = source.text("/proc/drbd")
    if text is None:
        return ()
    old = tuple(_drbd8(text))
    if old:
        return old
    report = source.run("drbdsetup", "status", "--json")
    try:
        found: Any = msgspec.json.decode(report or b"[]")
        return tuple(_drbd9(one) for one in found)
    except (msgspec.DecodeError, KeyError, IndexError, TypeError):
        source.note("drbdsetup status", "its answer is not understood")
        return ()


_DRBD8: Final = re.compile(
    r"^\s*(\d+): cs:(\S+) ro:([^/\s]+)/(\S+) ds:([^/\s]+)/(\S+)\s*(\S?)", re.MULTILINE
)


def _drbd8(text: str) -> list[Drbd]:
    return [
        Drbd(f"drbd{m[1]}", m[3], m[5], m[2], () if m[4] == "Unknown" else (f"peer {m[4]}",), m[7])
        for m in _DRBD8.finditer(text)
    ]


def _drbd9(one: Any) -> Drbd:
    disks = {str(device["disk-state"]) for device in one["devices"]}
    states = {str(peer["connection-state"]) for peer in one["connections"]}
    return Drbd(
        str(one["name"]),
        str(one["role"]),
        "/".join(sorted(disks)),
        "/".join(sorted(states)) or "none",
        tuple(str(peer["name"]) for peer in one["connections"]),
    )
