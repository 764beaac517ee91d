"""Installed packages that have to do with clusters: dpkg's status file, or rpm's answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.design.audit.facts import Package

if TYPE_CHECKING:
    from ninefold.design.audit.source import Source

PACKAGES: Final = (
    "booth",
    "corosync",
    "crmsh",
    "csync2",
    "dlm",
    "drbd",
    "fence-agents",
    "gfs2",
    "glusterfs-server",
    "haproxy",
    "hawk",
    "keepalived",
    "ldirectord",
    "lvm2-lockd",
    "mdadm",
    "multipath-tools",
    "ninefold",
    "ocfs2",
    "open-iscsi",
    "pacemaker",
    "patroni",
    "pcs",
    "resource-agents",
    "sbd",
)


def packages(source: Source) -> tuple[Package, ...]:
    """Return installed packages that have to do with clusters: dpkg's status file, or rpm."""
    text = source.text("/var/lib/dpkg/status")
    if text is not None:
        return dpkg(text)
    if source.exists("/var/lib/rpm") or source.exists("/usr/lib/sysimage/rpm"):
        report = source.run("rpm", "-qa", "--queryformat", "%{NAME} %{VERSION}-%{RELEASE}\\n")
        rows = [line.split() for line in (report or b"").decode(errors="replace").splitlines()]
        return tuple(
            sorted(
                (Package(r[0], r[1]) for r in rows if len(r) == 2 and _of_cluster(r[0])),
                key=lambda p: p.name,
            )
        )
    source.note("packages", "neither dpkg nor rpm keeps a list here")
    return ()


def _of_cluster(name: str) -> bool:
    return name.startswith(PACKAGES)


def dpkg(text: str) -> tuple[Package, ...]:
    """Return the cluster's packages of a dpkg status file."""
    rows = []
    for paragraph in text.split("\n\n"):
        fields = {
            key: value.strip()
            for key, colon, value in (line.partition(":") for line in paragraph.splitlines())
            if colon and key in ("Package", "Status", "Version")
        }
        name = fields.get("Package", "")
        if _of_cluster(name) and fields.get("Status", "").endswith(" installed"):
            rows.append(Package(name, fields.get("Version", "")))
    return tuple(sorted(rows, key=lambda package: package.name))
