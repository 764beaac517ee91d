"""Bonds, by /sys/class/net/*/bonding and what only /proc/net/bonding tells.

Who the LACP partner is, the kernel tells to administrators only (CAP_NET_ADMIN): an empty answer is
not the answer "nobody", which is a MAC of zeros.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.design.audit.facts import Bond

if TYPE_CHECKING:
    from ninefold.design.audit.source import Source

_NO_PARTNER: Final = "00:00:00:00:00:00"


def bonds(source: Source) -> tuple[Bond, ...]:
    """Return every bond of the host."""
    names = [
        name
        for name in source.entries("/sys/class/net")
        if source.exists(f"/sys/class/net/{name}/bonding")
    ]
    # Some containers show /proc but not /sys.
    names += [name for name in source.entries("/proc/net/bonding") if name not in names]
    return tuple(_bond(source, name) for name in sorted(names))


def _bond(source: Source, name: str) -> Bond:
    sys = f"/sys/class/net/{name}/bonding"
    told = proc_bonding(source.text(f"/proc/net/bonding/{name}") or "")
    slaves = tuple(source.line(f"{sys}/slaves").split()) or told.slaves
    mode = source.line(f"{sys}/mode").split()
    lacp_rate = source.line(f"{sys}/lacp_rate").split()
    xmit_hash = source.line(f"{sys}/xmit_hash_policy").split()
    primary = source.line(f"{sys}/primary").split()
    partner = source.line(f"{sys}/ad_partner_mac")
    if mode[:1] == ["802.3ad"] and not partner and not told.lacp_seen:
        source.note(f"LACP partner of {name}", "the kernel does not tell it to us", "run as root")

    def number(what: str, fallback: int) -> int:
        found = source.number(f"{sys}/{what}")
        return fallback if found is None else found

    return Bond(
        name,
        mode[0] if mode else told.mode,
        slaves,
        source.line(f"{sys}/active_slave") or told.active_slave,
        primary[0] if primary else told.primary,
        number("miimon", told.miimon_ms),
        number("updelay", told.updelay_ms),
        number("downdelay", told.downdelay_ms),
        tuple(s for s in slaves if _up(source, name, s, told)),
        lacp_rate[0] if lacp_rate else told.lacp_rate,
        told.lacp_partner or ("" if partner == _NO_PARTNER else partner),
        number("arp_interval", told.arp_interval_ms),
        xmit_hash[0] if xmit_hash else told.xmit_hash,
        bool(partner) or told.lacp_seen,
        _aggregators(source, name, slaves) or told.aggregators,
    )


def _aggregators(source: Source, bond: str, slaves: tuple[str, ...]) -> dict[str, str]:
    """Return which aggregator each slave is in; the kernel shows it to everybody."""
    found = {}
    for slave in slaves:
        for base in (f"/sys/class/net/{slave}", f"/sys/class/net/{bond}/lower_{slave}"):
            number = source.line(f"{base}/bonding_slave/ad_aggregator_id")
            if number.isdigit():
                found[slave] = number
    return found


def _up(source: Source, bond: str, slave: str, told: Bond) -> bool:
    state = source.line(f"/sys/class/net/{slave}/bonding_slave/mii_status")
    if not state:
        state = source.line(f"/sys/class/net/{bond}/lower_{slave}/bonding_slave/mii_status")
    return state == "up" if state else slave in told.slaves_up


# How /proc/net/bonding names the modes, and how everybody else does.
_MODES: Final = (
    ("load balancing (round-robin)", "balance-rr"),
    ("fault-tolerance (active-backup)", "active-backup"),
    ("load balancing (xor)", "balance-xor"),
    ("fault-tolerance (broadcast)", "broadcast"),
    ("IEEE 802.3ad Dynamic link aggregation", "802.3ad"),
    ("transmit load balancing", "balance-tlb"),
    ("adaptive load balancing", "balance-alb"),
)


def proc_bonding(text: str) -> Bond:
    """Return what a file of /proc/net/bonding says; what it does not say is empty or 0."""
    head: dict[str, str] = {}
    slaves: list[tuple[str, bool]] = []
    aggregators: dict[str, str] = {}
    for line in text.splitlines():
        key, colon, value = (part.strip() for part in line.partition(":"))
        if not colon:
            continue
        if key == "Slave Interface":
            slaves.append((value, False))
        elif key == "MII Status" and slaves:
            slaves[-1] = (slaves[-1][0], value == "up")
        elif key == "Aggregator ID" and slaves:
            aggregators[slaves[-1][0]] = value
        elif not slaves:
            head.setdefault(key, value)
    mode = next((short for long, short in _MODES if long in head.get("Bonding Mode", "")), "")
    partner = head.get("Partner Mac Address", "")
    active = head.get("Currently Active Slave", "")
    primary = head.get("Primary Slave", "").split(" ")[0]
    return Bond(
        "",
        mode,
        tuple(name for name, _ in slaves),
        "" if active == "None" else active,
        "" if primary == "None" else primary,
        _number(head.get("MII Polling Interval (ms)", "")),
        _number(head.get("Up Delay (ms)", "")),
        _number(head.get("Down Delay (ms)", "")),
        tuple(name for name, up in slaves if up),
        head.get("LACP rate", ""),
        "" if partner == _NO_PARTNER else partner,
        _number(head.get("ARP Polling Interval (ms)", "")),
        head.get("Transmit Hash Policy", "").split(" ")[0],
        bool(partner),
        aggregators,
    )


def _number(text: str) -> int:
    return int(text) if text.isdigit() and len(text) < 10 else 0
