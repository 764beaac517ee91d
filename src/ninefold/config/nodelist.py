"""Who the nodes are, where they are, and which of them is this host."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from ninefold.config import keys
from ninefold.config.model import LinkAddress, NodeEntry
from ninefold.config.surroundings import is_numeric

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ninefold.config.ledger import Ledger
    from ninefold.config.settings import Group, Settings
    from ninefold.config.surroundings import Surroundings
    from ninefold.core.ids import NodeId

# Corosync's own bound on processors, and the size from which its authors advise a send_join delay.
NODES_MAX: Final = 384
NODES_ADVISED_MAX: Final = 32
PORT_DEFAULT: Final = 5405


def judge_nodes(
    settings: Settings, surroundings: Surroundings, ledger: Ledger
) -> tuple[NodeEntry, ...]:
    """Return the nodes; what is wrong with any of them is noted."""
    if not settings.nodes:
        ledger.error(
            "no-nodes",
            "nodelist",
            "The file lists no node.",
            "Add a nodelist with one node section (nodeid, name, ring0_addr) for each node.",
        )
    if len(settings.nodes) > NODES_MAX:
        ledger.error(
            "too-many-nodes",
            "nodelist",
            f"{len(settings.nodes)} nodes are listed; the limit is {NODES_MAX}.",
            "Make several clusters.",
        )
        return ()
    _judge_identities(settings.nodes, ledger)
    _judge_link_counts(settings.nodes, ledger)
    ports = _ports(settings)
    nodes = []
    for group in settings.nodes:
        links = _links(group, settings, surroundings, ports, ledger)
        if "nodeid" in group:
            name = group.text("name")
            votes = group.given("quorum_votes")
            votes = settings["quorum"].integer("votes") if votes is None else votes
            nodes.append(NodeEntry(group.integer("nodeid"), name, links, votes))
    _judge_addresses(settings.nodes, nodes, ledger)
    return tuple(nodes)


def find_local(
    settings: Settings, nodes: tuple[NodeEntry, ...], surroundings: Surroundings, ledger: Ledger
) -> NodeId:
    """Return this host's node id, or 0 after noting that the file does not list it.

    In Corosync's order: a node named like the host; the host's short name; short names on both sides; a
    node with an address of this host.
    """
    full = surroundings.hostnames
    short = tuple(name.partition(".")[0] for name in full)
    for names, shorten in ((full, False), (short, False), (short, True)):
        for node in nodes:
            called = node.name.partition(".")[0] if shorten else node.name
            if called and called in names:
                _judge_local_addresses(node, surroundings, ledger)
                return node.nodeid
    for node in nodes:
        if any(link.address in surroundings.addresses for link in node.links.values()):
            return node.nodeid
    # A node whose entry could not be read may be this host: then that is what to correct.
    if settings.nodes and len(nodes) == len(settings.nodes):
        ledger.error(
            "local-node-absent",
            "nodelist",
            f"No node is named {_either(full)} or has an address of this host.",
            "Set one node's `name` to this host's name, or one of its addresses to this host's.",
        )
    return 0


def _judge_local_addresses(node: NodeEntry, surroundings: Surroundings, ledger: Ledger) -> None:
    if not surroundings.addresses:
        return
    for number, link in sorted(node.links.items()):
        # Linux answers for all of 127/8 while its interface lists one address.
        if link.address not in surroundings.addresses and not _is_loopback(link.address):
            ledger.warning(
                "address-not-here",
                f"nodelist.node.ring{number}_addr",
                f"{node.name} is this host, but {link.address} is on none of its interfaces.",
                "Bring the interface up, or correct the address.",
            )


def _is_loopback(address: str) -> bool:
    return bool(address) and ip_address(address).is_loopback


def _either(names: tuple[str, ...]) -> str:
    return " or ".join(f"`{name}`" for name in names) or "like this host"


def _judge_identities(groups: list[Group], ledger: Ledger) -> None:
    seen_ids: dict[int, int] = {}
    seen_names: dict[str, int] = {}
    many_links = any(len(_addresses(group)) > 1 for group in groups)
    for group in groups:
        if "nodeid" not in group:
            if not group.mentions("nodeid"):
                ledger.error(
                    "no-nodeid",
                    "nodelist.node.nodeid",
                    "The node has no nodeid.",
                    "Give each node its own nodeid from 1 to 65535.",
                    group.line,
                )
        elif (nodeid := group.integer("nodeid")) in seen_ids:
            ledger.error(
                "duplicate-nodeid",
                "nodelist.node.nodeid",
                f"Node id {nodeid} is already that of line {seen_ids[nodeid]}.",
                "Give each node its own nodeid.",
                group.at("nodeid"),
            )
        else:
            seen_ids[nodeid] = group.at("nodeid")
        name = group.text("name")
        if not name:
            _note_no_name(group, many_links=many_links, ledger=ledger)
        elif name in seen_names:
            ledger.error(
                "duplicate-name",
                "nodelist.node.name",
                f"The name `{name}` is already that of line {seen_names[name]}.",
                "Give each node its own name; Corosync would take the first for this host.",
                group.at("name"),
            )
        else:
            seen_names[name] = group.at("name")


def _note_no_name(group: Group, *, many_links: bool, ledger: Ledger) -> None:
    remedy = "Add `name:` with what `uname -n` prints on that host."
    if many_links:
        sentence = "With several links every node needs a name."
        ledger.error("no-name", "nodelist.node.name", sentence, remedy, group.line)
    else:
        sentence = "The node has no name; resources and fencing are configured by names."
        ledger.warning("no-name", "nodelist.node.name", sentence, remedy, group.line)


def _judge_link_counts(groups: list[Group], ledger: Ledger) -> None:
    first: Group | None = None
    for group in groups:
        links = sorted(_addresses(group))
        if not links:
            if not any(group.mentions(f"ring{n}_addr") for n in range(keys.LINKS_MAX)):
                ledger.error(
                    "no-address",
                    "nodelist.node.ring0_addr",
                    "The node has no address.",
                    "Give it at least ring0_addr.",
                    group.line,
                )
            continue
        if first is None:
            first = group
        elif links != (expected := sorted(_addresses(first))):
            ledger.error(
                "uneven-links",
                "nodelist.node",
                f"The node is on the links {links}, the one of line {first.line} on {expected}.",
                "Put every node on the same links.",
                group.line,
            )


def _addresses(group: Group) -> dict[int, str]:
    names = ((link, f"ring{link}_addr") for link in range(keys.LINKS_MAX))
    return {link: group.text(name) for link, name in names if name in group}


def _ports(settings: Settings) -> dict[int, int]:
    ports = {link: PORT_DEFAULT + link for link in range(keys.LINKS_MAX)}
    for interface in settings.interfaces:
        number = interface.integer("linknumber")
        port = interface.given("mcastport")
        if port is not None and number in ports:
            ports[number] = port
    return ports


def _links(
    group: Group,
    settings: Settings,
    surroundings: Surroundings,
    ports: dict[int, int],
    ledger: Ledger,
) -> dict[int, LinkAddress]:
    preference = settings["totem"].text("ip_version")
    links = {}
    for number, written in _addresses(group).items():
        address = _numeric(written, preference, surroundings)
        if address:
            links[number] = LinkAddress(address, ports[number])
            continue
        ledger.error(
            "unresolvable",
            f"nodelist.node.ring{number}_addr",
            f"`{written}` gives no address with ip_version {preference}.",
            "Write a numeric address, or add the name to /etc/hosts on every node.",
            group.at(f"ring{number}_addr"),
        )
    return links


def _numeric(written: str, preference: str, surroundings: Surroundings) -> str:
    """Return the address to use for what the file says, or nothing."""
    if is_numeric(written):
        found: tuple[str, ...] = (str(ip_address(written)),)
    else:
        found = surroundings.resolved.get(written, ())
    for family in _families(preference):
        for address in found:
            if ip_address(address).version == family:
                return address
    return ""


def _families(preference: str) -> Iterator[int]:
    for word in preference.removeprefix("ip").split("-"):
        yield int(word.removeprefix("v"))


def _judge_addresses(groups: list[Group], nodes: list[NodeEntry], ledger: Ledger) -> None:
    lines = {g.integer("nodeid"): g for g in groups if "nodeid" in g}
    owner: dict[str, NodeEntry] = {}
    family: dict[int, tuple[int, str]] = {}
    for node in nodes:
        group = lines[node.nodeid]
        for number, link in sorted(node.links.items()):
            key = f"ring{number}_addr"
            subject = f"nodelist.node.{key}"
            version = ip_address(link.address).version
            known, example = family.setdefault(number, (version, link.address))
            if known != version:
                ledger.error(
                    "mixed-families",
                    subject,
                    f"Link {number} has {link.address} here and {example} elsewhere.",
                    "Use IPv4 only or IPv6 only on a link.",
                    group.at(key),
                )
            other = owner.setdefault(link.address, node)
            if other is not node:
                ledger.error(
                    "duplicate-address",
                    subject,
                    f"{link.address} is also an address of node {other.nodeid}.",
                    "Give each node its own address.",
                    group.at(key),
                )
            elif [peer.address for peer in node.links.values()].count(link.address) > 1:
                ledger.warning(
                    "links-share-address",
                    subject,
                    f"{link.address} carries several links of this node: they fail together.",
                    "Use another network for each link.",
                    group.at(key),
                )
