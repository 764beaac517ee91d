"""Rules of the network: cards, bonds, switches, gateways, addresses, name resolution."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from ninefold.design.audit.rules import (
    ERROR,
    INFO,
    WARNING,
    Rule,
    Sight,
    clustered,
    is_guest,
    open_question,
    why_unread,
)
from ninefold.design.audit.wiring import hardware_of, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ninefold.design.audit.facts import HostFacts

_BOND: Final = (
    "Join two cards on two switches in a bond: `ninefold network bond --mode active-backup --slaves "
    "{a},{b}` prints the configuration"
)


def single_card(facts: HostFacts) -> Iterator[Sight]:
    """One card behind an address of the host."""
    if not facts.links:
        why = why_unread(facts, "links")
        yield open_question(
            "links",
            "Whether cards are doubled is unknown.",
            why,
            "Run the audit on the host itself.",
        )
    told: list[str] = []
    for link in served(facts):
        cards = hardware_of(facts, link.name)
        if len(cards) != 1 or cards[0] in told:
            continue
        told.append(cards[0])
        card = next(x for x in facts.links if x.name == cards[0])
        evidence = (
            f"{link.name} ({', '.join(link.addresses)}) runs over {card.name} {card.driver} alone"
        )
        if is_guest(facts):
            yield open_question(
                card.name,
                f"{card.name} is a virtual card: whether cards, cables and switches are doubled, the machine below knows.",
                evidence,
                "Audit the hypervisor.",
            )
            continue
        other = next((x.name for x in facts.links if not x.virtual and x.name != card.name), "ETH")
        yield Sight(
            card.name,
            f"Everything that goes over {link.name} depends on one card and its cable.",
            evidence,
            _BOND.format(a=card.name, b=other) + ".",
        )


def same_board(facts: HostFacts) -> Iterator[Sight]:
    """Two ports of one board fail together."""
    if is_guest(facts):
        return
    for bond in facts.bonds:
        slots = {
            link.name: link.bus.rpartition(".")[0]
            for link in facts.links
            if link.name in bond.slaves and link.bus.count(":") == 2
        }
        if len(slots) > 1 and len({*slots.values()}) == 1:
            yield Sight(
                bond.name,
                f"All slaves of {bond.name} are ports of one board.",
                f"{', '.join(slots)} at PCI {next(iter(slots.values()))}",
                "Use ports of two boards, such as one on the main board and one in a slot.",
            )


def no_carrier(facts: HostFacts) -> Iterator[Sight]:
    """A card that is switched on and hears nothing."""
    for link in facts.links:
        if not link.virtual and link.up and not link.carrier:
            yield Sight(
                link.name,
                f"{link.name} is switched on and has no carrier.",
                f"{link.name} {link.driver}: up, no carrier",
                "Check cable, transceiver and the switch's port, or switch the card off.",
            )


def single_switch(facts: HostFacts) -> Iterator[Sight]:
    """All cards at one switch."""
    if is_guest(facts):
        return
    for bond in facts.bonds:
        told = {x.name: x.switch for x in facts.links if x.name in bond.slaves and x.switch}
        names = sorted({*told.values()})
        if len(bond.slaves) > 1 and len(told) == len(bond.slaves) and len(names) == 1:
            yield Sight(
                bond.name,
                f"All slaves of {bond.name} hang on one switch.",
                f"LLDP on {', '.join(told)}: {names[0]}",
                "Connect one slave to a second switch; with 802.3ad both switches must act as one (MLAG, a stack).",
            )
        elif len(names) < 2:
            partner = f"; LACP partner {bond.lacp_partner}" if bond.lacp_partner else ""
            yield open_question(
                bond.name,
                f"Whether the slaves of {bond.name} hang on one switch or two is unknown.",
                f"no LLDP neighbour is known for each of {', '.join(bond.slaves)}{partner}",
                "Look at the cables, or let systemd-networkd listen (LLDP=yes) and audit again.",
            )


def single_gateway(facts: HostFacts) -> Iterator[Sight]:
    """One way out."""
    defaults = [route for route in facts.routes if route.target == "default" and route.gateway]
    if not defaults:
        why = why_unread(facts, "routes") if not facts.routes else "no default route with a gateway"
        yield open_question(
            "gateway", "Which gateway leads out is unknown.", why, "Ask the owner of the network."
        )
    for family in dict.fromkeys(route.family for route in defaults):
        ways = sorted({(r.gateway, r.link, r.gateway_mac) for r in defaults if r.family == family})
        if len({way[0] for way in ways}) != 1:
            continue
        gateway, link, mac = ways[0]
        kind = virtual_router(mac)
        if kind:
            continue
        yield Sight(
            f"gateway {gateway}",
            f"All traffic out ({family}) goes through {gateway}, and that is no virtual address of several routers as far as its MAC tells."
            if mac
            else f"All traffic out ({family}) goes through {gateway}; its MAC is not known here, so it may be a virtual address of several routers.",
            f"default via {gateway} dev {link}" + (f", MAC {mac}" if mac else ""),
            "Let two routers share the address by VRRP (keepalived), or give the host a second default route.",
        )


_ROUTERS: Final = (
    ("00:00:5e:00:01:", "VRRP or CARP"),
    ("00:00:5e:00:02:", "VRRP"),
    ("00:00:0c:07:ac:", "HSRP"),
    ("00:00:0c:9f:f", "HSRP"),
    ("00:05:73:a0:0", "HSRP"),
    ("00:07:b4:00:", "GLBP"),
)


def virtual_router(mac: str) -> str:
    """Return the protocol whose virtual MAC this is (RFC 9568, and the vendors' ranges), or nothing."""
    return next((name for prefix, name in _ROUTERS if mac.lower().startswith(prefix)), "")


def internet(facts: HostFacts) -> Iterator[Sight]:
    """No host can count the lines behind its gateway."""
    if any(route.target == "default" and route.gateway for route in facts.routes):
        yield open_question(
            "internet",
            "How many lines and providers lie behind the gateway is unknown.",
            "a host sees its gateway, and nothing of what is behind it",
            "Ask the owner; two providers with BGP, or policy routing, take away this single point.",
        )


def dynamic_address(facts: HostFacts) -> Iterator[Sight]:
    """An address that expires."""
    for link in facts.links:
        if link.dynamic:
            yield Sight(
                link.name,
                f"The address of {link.name} expires unless somebody renews it.",
                f"{', '.join(link.dynamic)}: not permanent (DHCP or router advertisement)",
                "Give a cluster's node static addresses.",
                severity=WARNING if clustered(facts) else INFO,
            )


def single_resolver(facts: HostFacts) -> Iterator[Sight]:
    """One server that knows names."""
    if facts.names is None or not facts.names.resolvers:
        why = why_unread(facts, "resolv", "name resolution")
        yield open_question(
            "resolvers", "Who resolves names is unknown.", why, "Look at /etc/resolv.conf."
        )
        return
    resolvers = facts.names.resolvers
    if len({*resolvers}) > 1:
        return
    if _is_loopback(resolvers[0]):
        yield open_question(
            f"resolver {resolvers[0]}",
            "Names are asked of a program on this host; whom that asks is unknown.",
            f"nameserver {resolvers[0]}",
            "Look at its configuration: it should know two servers.",
        )
        return
    yield Sight(
        f"resolver {resolvers[0]}",
        f"If {resolvers[0]} does not answer, no name can be resolved.",
        f"nameserver {resolvers[0]}, and no other",
        "Add a second, independent resolver; put the cluster's own names into /etc/hosts.",
    )


def own_name_on_loopback(facts: HostFacts) -> Iterator[Sight]:
    """The host's own name must not mean 127.x."""
    if facts.names is None:
        yield open_question(
            "own name",
            "What the host's own name resolves to is unknown.",
            why_unread(facts, "name", "hosts"),
            "Look at /etc/hosts.",
        )
        return
    name = facts.names.hostname
    own = (name, name.partition(".")[0])
    for address, names in facts.names.hosts.items():
        if _is_loopback(address) and any(one in names for one in own):
            yield Sight(
                name,
                f"{name} means {address} here: a cluster that looks its own name up would bind to loopback.",
                f"/etc/hosts: {address} {' '.join(names)}",
                f"Give {name} its real address in /etc/hosts.",
                severity=ERROR if clustered(facts) else WARNING,
            )


def _is_loopback(text: str) -> bool:
    try:
        return ipaddress.ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return False


RULES: Final = (
    Rule("nic-single", "network", WARNING, True, "One card behind an address", single_card),
    Rule("nic-same-board", "network", WARNING, True, "A bond's slaves on one board", same_board),
    Rule("nic-no-carrier", "network", WARNING, False, "A card that hears nothing", no_carrier),
    Rule("switch-single", "network", WARNING, True, "A bond's slaves at one switch", single_switch),
    Rule("gateway-single", "network", WARNING, True, "One default gateway", single_gateway),
    Rule("internet-line", "network", WARNING, True, "Lines to the Internet", internet),
    Rule("address-dynamic", "network", WARNING, False, "An address that expires", dynamic_address),
    Rule("resolver-single", "dns", WARNING, True, "One resolver", single_resolver),
    Rule(
        "own-name-loopback",
        "dns",
        WARNING,
        False,
        "The host's name means 127.x",
        own_name_on_loopback,
    ),
)
