"""What the kernel's routing tables say about this host; asked before the loop runs."""

from __future__ import annotations

import msgspec
from pyroute2 import IPRoute


class LocalAddress(msgspec.Struct, frozen=True):
    """One address of this host: numeric, with its prefix length and interface."""

    interface: str
    address: str
    prefix_length: int


def local_addresses() -> list[LocalAddress]:
    """List the addresses of all interfaces, in the kernel's order. Blocks for about a millisecond.

    Raises OSError if netlink cannot be opened.
    """
    with IPRoute() as route:
        names = {row["index"]: str(row.get_attr("IFLA_IFNAME")) for row in route.get_links()}
        found = []
        for row in route.get_addr():
            # On a point-to-point interface IFA_ADDRESS is the other end.
            address = row.get_attr("IFA_LOCAL") or row.get_attr("IFA_ADDRESS")
            name = names.get(row["index"], "")
            found.append(LocalAddress(name, str(address), int(row["prefixlen"])))
        return found
