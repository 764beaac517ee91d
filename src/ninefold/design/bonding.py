"""The wish for a bond, and everything that is wrong with it.

The modes are the Linux bonding driver's (Documentation/networking/bonding.rst); lengths are whole
milliseconds. `bonding_text` writes a wish down for the programs that configure networks.
"""

from __future__ import annotations

import ipaddress
import re
from enum import Enum
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.core.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator


class Mode(Enum):
    """A mode of the bonding driver by its name."""

    ROUND_ROBIN = "balance-rr"
    ACTIVE_BACKUP = "active-backup"
    XOR = "balance-xor"
    BROADCAST = "broadcast"
    LACP = "802.3ad"
    TLB = "balance-tlb"
    ALB = "balance-alb"

    @property
    def number(self) -> int:
        """Return the driver's number of it, 0 to 6."""
        return [*Mode].index(self)


def mode_of(text: str) -> Mode | None:
    """Return a mode by its name or number.

    >>> mode_of("4"), mode_of("balance-alb"), mode_of("7")
    (<Mode.LACP: '802.3ad'>, <Mode.ALB: 'balance-alb'>, None)
    """
    for mode in Mode:
        if text in (mode.value, str(mode.number)):
            return mode
    return None


# How often links are looked at, in ms, when nobody says; the book's value.
MIIMON_MS: Final = 100
# The modes that know a preferred slave, that cannot ask by ARP, and that choose by a hash.
WITH_PRIMARY: Final = (Mode.ACTIVE_BACKUP, Mode.TLB, Mode.ALB)
WITHOUT_ARP: Final = (Mode.LACP, Mode.TLB, Mode.ALB)
WITH_HASH: Final = (Mode.XOR, Mode.LACP, Mode.TLB)
STATIC_CHANNEL: Final = (Mode.ROUND_ROBIN, Mode.XOR, Mode.BROADCAST)
HASHES: Final = ("layer2", "layer2+3", "layer3+4", "encap2+3", "encap3+4")
ARP_TARGETS_MAX: Final = 16
# IFNAMSIZ of the kernel is 16 with the closing NUL.
NAME_MAX: Final = 15
# The kernel takes more; but a name is written into commands and files of four programs.
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class Wish(msgspec.Struct, frozen=True):
    """A bond that somebody wants. Addresses with their prefix; lengths in ms, 0: not used."""

    mode: Mode
    name: str = "bond0"
    slaves: tuple[str, ...] = ("eth0", "eth1")
    miimon_ms: int | None = None
    updelay_ms: int = 0
    downdelay_ms: int = 0
    primary: str = ""
    arp_interval_ms: int = 0
    arp_targets: tuple[str, ...] = ()
    lacp_rate: str = ""
    xmit_hash: str = ""
    addresses: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    mtu: int | None = None

    @property
    def looks_every_ms(self) -> int:
        """Return miimon: as wished, none if ARP looks instead, else the usual."""
        if self.miimon_ms is not None:
            return self.miimon_ms
        return 0 if self.arp_interval_ms else MIIMON_MS

    def options(self) -> list[tuple[str, str]]:
        """Return the driver's options by their own names, in the order of the book."""
        found = [("mode", self.mode.value)]
        if self.looks_every_ms:
            found.append(("miimon", str(self.looks_every_ms)))
        for name, value in (("updelay", self.updelay_ms), ("downdelay", self.downdelay_ms)):
            if value:
                found.append((name, str(value)))
        if self.arp_interval_ms:
            found.append(("arp_interval", str(self.arp_interval_ms)))
            found.append(("arp_ip_target", ",".join(self.arp_targets)))
        if self.primary:
            found.append(("primary", self.primary))
        if self.mode is Mode.LACP:
            # Slow timers take 90 s to notice a partner that fell silent with its link up.
            found.append(("lacp_rate", self.lacp_rate or "fast"))
        if self.xmit_hash:
            found.append(("xmit_hash_policy", self.xmit_hash))
        return found


def _error(code: str, subject: str, sentence: str, remedy: str) -> Finding:
    return Finding(code, Severity.ERROR, subject, sentence, remedy)


def judge_wish(wish: Wish) -> list[Finding]:
    """Return everything that is wrong with a wish, and what its owner must know."""
    return [*_names(wish), *_monitoring(wish), *_of_mode(wish), *_addresses(wish), *_hints(wish)]


def _names(wish: Wish) -> Iterator[Finding]:
    for name in (wish.name, *wish.slaves):
        if not _NAME.fullmatch(name) or len(name) > NAME_MAX:
            yield _error(
                "name",
                name or "name",
                f"{name!r} is no name of a link.",
                f"Use at most {NAME_MAX} letters, digits, `_`, `.` and `-`.",
            )
    if wish.name in wish.slaves:
        yield _error("name", wish.name, "A bond cannot be its own slave.", "Name it otherwise.")
    if len({*wish.slaves}) != len(wish.slaves):
        yield _error("slaves", "slaves", "A slave is named twice.", "Name each once.")
    if len({*wish.slaves}) < 2:
        yield _error(
            "slaves", "slaves", "A bond of one card doubles nothing.", "Name two slaves at least."
        )


def _monitoring(wish: Wish) -> Iterator[Finding]:
    miimon, arp = wish.looks_every_ms, wish.arp_interval_ms
    numbers = (wish.miimon_ms or 0, wish.updelay_ms, wish.downdelay_ms, arp)
    if any(number < 0 for number in numbers):
        yield _error("negative", "times", "A length is negative.", "Give milliseconds from 0 on.")
    if miimon and arp:
        yield _error(
            "monitor",
            "arp_interval",
            "miimon and arp_interval exclude each other: the driver looks in one way only.",
            "Leave one of them out.",
        )
    if not miimon and not arp:
        yield _error(
            "monitor",
            "miimon",
            "Nothing looks at the links: a dead one goes on being used.",
            f"Leave --miimon out ({MIIMON_MS} ms), or give --arp-interval.",
        )
    if arp and wish.mode in WITHOUT_ARP:
        yield _error(
            "monitor",
            "arp_interval",
            f"Mode {wish.mode.value} cannot ask by ARP.",
            "Use miimon.",
        )
    if bool(arp) != bool(wish.arp_targets):
        yield _error(
            "monitor",
            "arp_ip_target",
            "arp_interval and arp_ip_target belong together.",
            "Give both, or neither.",
        )
    if len(wish.arp_targets) > ARP_TARGETS_MAX:
        sentence = f"The driver asks at most {ARP_TARGETS_MAX} targets."
        yield _error("monitor", "arp_ip_target", sentence, "Give fewer.")
    for target in wish.arp_targets:
        if not _is_ipv4(target):
            sentence = f"{target!r} is no IPv4 address: ARP knows no other."
            yield _error("address", "arp_ip_target", sentence, "Write it like 10.0.0.1.")
    for name, delay in (("updelay", wish.updelay_ms), ("downdelay", wish.downdelay_ms)):
        if delay and not miimon:
            yield _error(
                "delay", name, f"{name} counts looks of miimon, which is off.", "Use miimon."
            )
        elif delay and delay % miimon:
            yield _error(
                "delay",
                name,
                f"{name} {delay} is no multiple of miimon {miimon}: the driver would round it down.",
                f"Use {delay // miimon * miimon or miimon} or {(delay // miimon + 1) * miimon}.",
            )


def _of_mode(wish: Wish) -> Iterator[Finding]:
    mode = wish.mode
    if wish.primary and mode not in WITH_PRIMARY:
        names = ", ".join(one.value for one in WITH_PRIMARY)
        yield _error(
            "primary",
            "primary",
            f"Mode {mode.value} has no preferred slave.",
            f"Leave --primary out, or use one of {names}.",
        )
    if wish.primary and wish.primary not in wish.slaves:
        sentence = f"{wish.primary} is no slave of {wish.name}."
        yield _error(
            "primary",
            "primary",
            sentence,
            f"Choose one of {', '.join(dict.fromkeys(wish.slaves))}.",
        )
    if wish.lacp_rate and mode is not Mode.LACP:
        sentence = f"Mode {mode.value} does not speak LACP."
        yield _error("lacp", "lacp_rate", sentence, "Leave --lacp-rate out, or use 802.3ad.")
    if wish.lacp_rate not in ("", "fast", "slow"):
        sentence = f"There is no LACP rate {wish.lacp_rate!r}."
        yield _error("lacp", "lacp_rate", sentence, "Use fast or slow.")
    if wish.xmit_hash and mode not in WITH_HASH:
        names = ", ".join(one.value for one in WITH_HASH)
        yield _error(
            "hash",
            "xmit_hash_policy",
            f"Mode {mode.value} does not choose by a hash.",
            f"Leave --xmit-hash out, or use one of {names}.",
        )
    if wish.xmit_hash and wish.xmit_hash not in HASHES:
        sentence = f"There is no policy {wish.xmit_hash!r}."
        yield _error("hash", "xmit_hash_policy", sentence, f"Use one of {', '.join(HASHES)}.")


def _addresses(wish: Wish) -> Iterator[Finding]:
    networks = []
    for text in wish.addresses:
        try:
            interface = ipaddress.ip_interface(text)
        except ValueError:
            sentence = f"{text!r} is no address with a prefix."
            yield _error("address", "address", sentence, "Write it like 192.0.2.10/24.")
            continue
        networks.append(interface.network)
        if "/" not in text:
            sentence = f"{text} has no prefix: the host would be alone in its network."
            yield _error("address", "address", sentence, "Write it like 192.0.2.10/24.")
    families = []
    for text in wish.gateways:
        try:
            gateway = ipaddress.ip_address(text)
        except ValueError:
            sentence = f"{text!r} is no address."
            yield _error("gateway", "gateway", sentence, "Write it like 192.0.2.1.")
            continue
        if gateway.version in families:
            sentence = "There are two gateways of one family."
            yield _error("gateway", "gateway", sentence, "Give one of IPv4 and one of IPv6.")
        families.append(gateway.version)
        if not gateway.is_link_local and not any(gateway in network for network in networks):
            yield _error(
                "gateway",
                "gateway",
                f"{text} is in no network of the bond's addresses: it could not be reached.",
                "Correct it, or add an address of its network.",
            )
    for text in wish.dns:
        if not _is_address(text):
            yield _error("dns", "dns", f"{text!r} is no address.", "Write it like 192.0.2.53.")
    # The least that IPv4 and IPv6 ask for, and the most that the kernel's cards take.
    if wish.mtu is not None and not 1280 <= wish.mtu <= 9216:
        yield _error("mtu", "mtu", f"An MTU of {wish.mtu} is no use.", "Use 1280 to 9216.")


def _hints(wish: Wish) -> Iterator[Finding]:
    if wish.mode is Mode.LACP:
        yield Finding(
            "switch",
            Severity.WARNING,
            "mode",
            "802.3ad needs LACP on the switch's ports; over two switches, only if they act as one.",
            "Configure one channel (MLAG, a stack) for all slaves, with the fast LACP rate.",
        )
    if wish.mode in STATIC_CHANNEL:
        yield Finding(
            "switch",
            Severity.WARNING,
            "mode",
            f"{wish.mode.value} needs a static channel on the switch, and nothing notices if it is not there.",
            "For availability use active-backup or 802.3ad.",
        )
    if len(wish.dns) == 1:
        yield Finding(
            "resolver", Severity.WARNING, "dns", "One resolver is a single point of failure.",
            "Give a second --dns.",
        )  # fmt: skip


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
