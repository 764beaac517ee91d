"""What stands on what: the cards below a link, the disks below a mount."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ninefold.design.audit.facts import Disk, HostFacts, Link, Mount

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


def hardware_of(facts: HostFacts, name: str) -> list[str]:
    """Return the cards below a link: itself, its slaves' or ports', its parent's."""
    by_name = {link.name: link for link in facts.links}
    found: list[str] = []
    # Each is looked at once: facts may hold a loop.
    seen: dict[str, None] = {}
    waiting = [name]
    while waiting:
        link = by_name.get(waiting.pop())
        if link is None or link.name in seen:
            continue
        seen[link.name] = None
        if not link.virtual:
            found.append(link.name)
            continue
        waiting += [one.name for one in facts.links if one.master == link.name]
        waiting += [one for bond in facts.bonds if bond.name == link.name for one in bond.slaves]
        waiting.append(link.parent)
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


def alone_below(facts: HostFacts, name: str) -> list[Disk]:
    """Return the disks below a device that nothing doubles: each of them alone would take it down.

    A map of several paths counts as one disk, which it is.
    """
    by_name = {disk.name: disk for disk in facts.disks}
    found: list[str] = []
    seen: dict[str, None] = {}
    waiting = [name]
    while waiting:
        disk = by_name.get(waiting.pop())
        if disk is None or disk.name in seen or disk.kind in ("drbd", "rom", "loop"):
            continue
        seen[disk.name] = None
        if _doubled(facts, disk, by_name):
            continue
        if disk.parents and disk.kind != "multipath":
            waiting += disk.parents
        else:
            found.append(disk.name)
    return [by_name[one] for one in sorted(found)]


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
    return len(mirror_images(disk, by_name)) > 1


def mirror_images(disk: Disk, by_name: Mapping[str, Disk]) -> list[str]:
    """Return the images of a volume that LVM itself mirrors: they are told by their names.

    A striped volume has images too, but none of the areas that keep track of a redundant one.
    """
    if disk.kind != "lvm":
        return []
    labels = {parent: by_name[parent].label for parent in disk.parents if parent in by_name}
    tracked = any(re.search(r"_(rmeta_\d+|mlog)$", label) for label in labels.values())
    images = [parent for parent, label in labels.items() if re.search(r"_[rm]image_\d+$", label)]
    mirrored = tracked or any("_mimage_" in label for label in labels.values())
    return images if mirrored else []
