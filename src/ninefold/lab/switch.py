"""The network between the hosts: one bridge per link, one port per host and bridge.

Lives in the supervisor's own network namespace, so nothing of it appears on the machine and all of
it goes when the supervisor does.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from typing import TYPE_CHECKING, Any, Final

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from ninefold.lab.errors import LabBroken
from ninefold.lab.netfilter import Filter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ninefold.lab.model import Block
    from ninefold.lab.plan import HostPlan, Plan

_CLONE_NEWNET: Final = 0x40000000


class Switch:
    """Bridges, ports and what is cut. Every method may be called from any thread."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._number = {host.name: number for number, host in enumerate(plan.hosts, start=1)}
        self._lock = threading.RLock()
        self._route: Any = IPRoute()
        self._filter = Filter(self.port)
        self._bridges: list[int] = []
        self._blocks: tuple[Block, ...] = ()
        _up(self._route, "lo")
        for link, address in enumerate(plan.clients):
            self._bridges.append(self._bridge(f"br{link}", address))

    @property
    def blocks(self) -> tuple[Block, ...]:
        """What is cut now, sorted."""
        return self._blocks

    def port(self, link: int, host: str) -> str:
        """Return the name of the bridge port of `host` on `link`."""
        return f"p{self._number[host]}.{link}"

    def plug(self, host: HostPlan, namespace: str) -> None:
        """Give the network namespace at the path `namespace` its interfaces `eth0`, `eth1` ..."""
        with self._lock, _opened(namespace) as fd:
            for link in range(len(host.addresses)):
                self._unplug(link, host.name)
                self._route.link(
                    "add",
                    ifname=self.port(link, host.name),
                    kind="veth",
                    master=self._bridges[link],
                    state="up",
                    peer={"ifname": f"eth{link}", "net_ns_fd": fd},
                )
            with contextlib.closing(_route_in(fd)) as route:
                _up(route, "lo")
                for link, address in enumerate(host.addresses):
                    index = _up(route, f"eth{link}")
                    _address(route, index, address, self._plan.prefix)

    def ports_down(self, host: str) -> None:
        """Take the ports of a host down: its addresses must not answer while the kernel cleans up."""
        with self._lock:
            for link in range(len(self._plan.clients)):
                # The kernel may have removed the pair already, with the host's namespace.
                with contextlib.suppress(NetlinkError):
                    for index in self._route.link_lookup(ifname=self.port(link, host)):
                        self._route.link("set", index=index, state="down")

    def cut(self, blocks: tuple[Block, ...]) -> None:
        """Drop what `blocks` says too."""
        with self._lock:
            self._filter_only({*self._blocks, *blocks})

    def heal(self, blocks: tuple[Block, ...]) -> None:
        """Let pass again what `blocks` says."""
        with self._lock:
            self._filter_only({*self._blocks} - {*blocks})

    def _filter_only(self, blocks: set[Block]) -> None:
        wanted = tuple(sorted(blocks))
        try:
            self._filter.apply(wanted)
        except NetlinkError as error:
            raise LabBroken(f"This kernel does not filter on bridges: {error}.") from error
        self._blocks = wanted

    def _bridge(self, name: str, address: str) -> int:
        # Snooping would hold multicast back from ports until a querier has been heard.
        self._route.link("add", ifname=name, kind="bridge", br_mcast_snooping=0)
        index = _up(self._route, name)
        _address(self._route, index, address, self._plan.prefix)
        return index

    def _unplug(self, link: int, host: str) -> None:
        # Left over from a host just killed, until the kernel has cleaned its namespace up.
        for index in self._route.link_lookup(ifname=self.port(link, host)):
            with contextlib.suppress(NetlinkError):
                self._route.link("del", index=index)


def _up(route: Any, name: str) -> int:
    index: int = route.link_lookup(ifname=name)[0]
    route.link("set", index=index, state="up")
    return index


def _address(route: Any, index: int, address: str, prefix: int) -> None:
    route.addr("add", index=index, address=address, prefixlen=prefix)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def _route_in(namespace: int) -> Any:
    """Return an `IPRoute` inside another namespace.

    A socket belongs for ever to the namespace in which it was opened, and setns(2) moves the calling
    thread only. pyroute2's own way forks a process (9 ms against 1 ms).
    """
    with _opened("/proc/thread-self/ns/net") as own:
        _setns(namespace)
        try:
            return IPRoute()
        finally:
            _setns(own)


def _setns(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "setns")
