"""What stands on what: the cards below a link, the disks below a mount."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ninefold.design.audit.facts import Disk, HostFacts, Link, Mount

# Links deeper than this in each other, or disks, are a loop in the facts.
DEPTH_MAX: Final = 16
REDUNDANT_LEVELS: Final = ("raid1", "raid10", "raid4", "raid5", "raid6")


def served(facts: HostFacts) -> list[Link]:
    """Return the links that carry an address which others may use, or the default route."""
    ways = {route.link for route in facts.routes if route.target == "default"}
    return [
        link
        for link in facts.links
        if link.up and (link.name in ways or any(_useful(text) for text in link.addresses))
    ]


def _useful(text: str) -> bool:
    try:
        address = ipaddress.ip_interface(text).ip
    except ValueError:
        return False
    return not (address.is_link_local or address.is_loopback)


def hardware_of(facts: HostFacts, name: str, depth: int = 0) -> list[str]:
    """Return the cards below a link: itself, its slaves' or ports', its parent's."""
    by_name = {link.name: link for link in facts.links}
    link = by_name.get(name)
    if link is None or depth > DEPTH_MAX:
        return []
    if not link.virtual:
        return [name]
    below = [one.name for one in facts.links if one.master == name]
    below += [one for bond in facts.bonds if bond.name == name for one in bond.slaves]
    if link.parent:
        below.append(link.parent)
    found: dict[str, None] = {}
    for one in below:
        found.update(dict.fromkeys(hardware_of(facts, one, depth + 1)))
    return sorted(found)


def disk_of(facts: HostFacts, mount: Mount) -> Disk | None:
    """Return the block device of a mount."""
    name = mount.source.rpartition("/")[2]
    for disk in facts.disks:
        if mount.target in disk.mounts:
            return disk
    if not mount.source.startswith("/dev/"):
        return None
    return next((disk for disk in facts.disks if name in (disk.name, disk.label)), None)


def alone_below(facts: HostFacts, name: str, depth: int = 0) -> list[Disk]:
    """Return the disks below a device that nothing doubles: each of them alone would take it down.

    A map of several paths counts as one disk, which it is.
    """
    by_name = {disk.name: disk for disk in facts.disks}
    disk = by_name.get(name)
    if disk is None or depth > DEPTH_MAX or disk.kind in ("drbd", "rom", "loop"):
        return []
    if _doubled(facts, disk, by_name):
        return []
    if not disk.parents or disk.kind == "multipath":
        return [disk]
    found: dict[str, Disk] = {}
    for parent in disk.parents:
        found.update({one.name: one for one in alone_below(facts, parent, depth + 1)})
    return [found[key] for key in sorted(found)]


def _doubled(facts: HostFacts, disk: Disk, by_name: dict[str, Disk]) -> bool:
    if any(raid.name == disk.name and raid.level in REDUNDANT_LEVELS for raid in facts.raids):
        return True
    member_of = [raid for raid in facts.raids if disk.name in raid.members]
    if any(
        raid.level.removeprefix("btrfs-").startswith(("raid1", "raid5", "raid6"))
        for raid in member_of
        if raid.level.startswith("btrfs")
    ):
        return True
    # LVM's own RAID and mirrors: an image for each copy, told by its name.
    images = [
        by_name[parent].label
        for parent in disk.parents
        if parent in by_name and re.search(r"_[rm]image_\d+$", by_name[parent].label)
    ]
    return disk.kind == "lvm" and len(images) > 1
