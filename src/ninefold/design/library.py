"""What is believed of parts that nobody has measured: a default for each kind, with its source.

Every one is marked as to be replaced: a report that stands on them says so. Ranges become error
factors (the 95th percentile divided by the median). A kind without a rate of its own is as good as
what it needs.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.design.model import HOURS_PER_YEAR, Estimate

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIELD: Final = "field experience, not measured here"


class Kind(msgspec.Struct, frozen=True):
    """A kind of part: its layer, and what is assumed when a model says nothing.

    `per_year` failures and `repair_h` hours with their error factors; 0 failures: never by itself.
    """

    layer: str
    about: str
    per_year: float = 0.0
    per_year_spread: float = 3.0
    repair_h: float = 4.0
    repair_spread: float = 2.0
    source: str = _FIELD

    def failures(self) -> Estimate | None:
        """Return failures per hour, or `None` if it never breaks by itself."""
        if not self.per_year:
            return None
        value = self.per_year / HOURS_PER_YEAR
        return Estimate(value, self.per_year_spread, self.source, replace_me=True)

    def repair(self) -> Estimate:
        """Return the repair time in hours."""
        return Estimate(self.repair_h, self.repair_spread, self.source, replace_me=True)


LAYERS: Final = (
    "site",
    "power",
    "network",
    "compute",
    "storage",
    "cluster",
    "application",
    "dns",
    "other",
)

_SERVER: Final = "server incidents of 5-8 % a year (Vishwanath and Nagappan, 2010); contract of 4 h"
_SWITCH: Final = "5 % a year (Gill et al., SIGCOMM 2011)"
_PSU: Final = "vendors' data sheets: 150,000-500,000 h"
_DISK: Final = "replacements of 2-4 % a year in the field (Schroeder and Gibson, FAST 2007)"
_TIER: Final = "a Tier III site: 99.982 % (Uptime Institute)"

KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "site": Kind("site", "a place that floods and burns as one", 0.02, 5, 24, 3),
        "room": Kind("site", "a room with its cooling", 0.4, 3, 4, 3, _TIER),
        "rack": Kind("site", "a rack", 0.005, 5, 8, 2),
        "power-feed": Kind("power", "a feed from the utility or the building", 0.5, 3, 2, 3),
        "ups": Kind("power", "an uninterruptible power supply", 0.05, 3, 8, 2),
        "generator": Kind("power", "a generator that starts on demand", 0.1, 3, 12, 2),
        "pdu": Kind("power", "a power distribution unit", 0.02, 3, 8, 2),
        "psu": Kind("power", "a machine's power supply", 0.03, 2, 24, 2, _PSU),
        "nic": Kind("network", "a network card", 0.01, 3, 8, 2),
        "bond": Kind("network", "several cards as one link"),
        "switch": Kind("network", "a switch", 0.05, 3, 4, 2, _SWITCH),
        "router": Kind("network", "a router or gateway", 0.1, 3, 4, 2),
        "firewall": Kind("network", "a firewall", 0.1, 3, 4, 2),
        "link": Kind("network", "a cable or leased line", 0.02, 5, 8, 2),
        "internet-line": Kind("network", "a line to a provider", 4, 3, 2, 3),
        "load-balancer": Kind("network", "a load balancer", 0.2, 3, 1, 3, _SWITCH),
        "node": Kind("compute", "a server with its operating system", 0.07, 2, 8, 2, _SERVER),
        "os": Kind("compute", "crashes and reboots of an operating system", 4, 2, 0.17, 2),
        "hypervisor": Kind("compute", "a host of virtual machines", 0.1, 2, 8, 2, _SERVER),
        "vm": Kind("compute", "a virtual machine", 2, 3, 0.17, 2),
        "cloud-zone": Kind("compute", "an availability zone", 0.5, 3, 4, 3),
        "disk": Kind("storage", "a hard disk, with its rebuild", 0.03, 2, 12, 2, _DISK),
        "ssd": Kind("storage", "a solid state disk, with its rebuild", 0.01, 2, 8, 2),
        "raid": Kind("storage", "disks as one device"),
        "controller": Kind("storage", "a storage controller", 0.02, 3, 8, 2),
        "array": Kind("storage", "a storage array", 0.05, 3, 8, 2),
        "multipath": Kind("storage", "several paths to one device"),
        "drbd": Kind("storage", "two copies kept equal"),
        "ceph": Kind("storage", "a distributed store"),
        "glusterfs": Kind("storage", "a distributed file system"),
        "nfs-server": Kind("storage", "a file server", 0.2, 3, 4, 2),
        "fence-device": Kind("cluster", "a device that cuts a node's power", 0.05, 3, 24, 2),
        "witness": Kind("cluster", "a vote outside the cluster", 0.5, 3, 4, 2),
        "database": Kind("application", "a database server", 1, 3, 0.5, 3),
        "galera": Kind("application", "a synchronous database cluster"),
        "postgresql-replication": Kind("application", "a primary with standbys"),
        "web-server": Kind("application", "a web server", 2, 3, 0.25, 3),
        "application": Kind("application", "a program of one's own", 4, 3, 0.5, 3),
        "external-service": Kind("application", "somebody else's service", 4, 3, 1, 3),
        "dns-server": Kind("dns", "a resolver or name server", 0.5, 3, 1, 3),
        "time-server": Kind("other", "a source of time", 0.5, 3, 4, 3),
        "operator": Kind("other", "mistakes in changes", 1, 3, 1, 2),
        "component": Kind("other", "anything else", 0.1, 5, 8, 2),
    }
)
