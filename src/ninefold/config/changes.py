"""What a reload would change, and which of it must wait (specs/totem.md §13, "Runtime reload").

An error among the findings refuses the whole reload: then nothing changes. A warning names what is
read only when the daemon starts again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.config.keys import KEYS, Reload
from ninefold.config.ledger import Ledger

if TYPE_CHECKING:
    import msgspec

    from ninefold.config.model import ClusterConfig, NodeEntry
    from ninefold.core.findings import Finding

# Options whose key has another name.
_KEY_OF = {
    "totem.token_configured": "totem.token",
    "totem.kernel_probe": "totem.ninefold_probe",
    "totem.interface.priority": "totem.interface.knet_link_priority",
    "totem.interface.ping_interval": "totem.interface.knet_ping_interval",
    "totem.interface.ping_timeout": "totem.interface.knet_ping_timeout",
    "totem.interface.ping_precision": "totem.interface.knet_ping_precision",
    "totem.interface.pong_count": "totem.interface.knet_pong_count",
}


def changes(old: ClusterConfig, new: ClusterConfig, *, file: str = "") -> list[Finding]:
    """Return every difference with what becomes of it when `new` is loaded into a running node."""
    ledger = Ledger(file)
    if new.local != old.local:
        _refuse(ledger, "nodelist.node.nodeid", str(old.local), str(new.local))
    _compare(ledger, "totem", old.totem, new.totem)
    _compare_nodes(ledger, old, new)
    links = {link.linknumber: link for link in old.links}
    for link in new.links:
        if link.linknumber in links:
            _compare(ledger, "totem.interface", links[link.linknumber], link)
    _compare(ledger, "quorum", old.quorum, new.quorum)
    _compare(ledger, "logging", old.logging, new.logging)
    if new.totem.config_version < old.totem.config_version:
        ledger.warning(
            "config-version-back",
            "totem.config_version",
            f"It goes back from {old.totem.config_version} to {new.totem.config_version}.",
            "Raise it with every change of the file.",
        )
    return ledger.findings()


def _compare(ledger: Ledger, section: str, old: msgspec.Struct, new: msgspec.Struct) -> None:
    for name in old.__struct_fields__:
        before, after = getattr(old, name), getattr(new, name)
        if before == after:
            continue
        path = _KEY_OF.get(f"{section}.{name}", f"{section}.{name}")
        shown = ("…", "…") if path == "totem.key" else (_shown(before), _shown(after))
        _judge(ledger, path, *shown)


def _judge(ledger: Ledger, path: str, before: str, after: str) -> None:
    key = KEYS.get(path)
    match key.reload if key else Reload.LIVE:
        case Reload.LIVE:
            sentence = f"It changes from {before} to {after} at once."
            ledger.info("changes-now", path, sentence)
        case Reload.RESTART:
            ledger.warning(
                "changes-at-restart",
                path,
                f"It stays {before} until the daemon is restarted; then it is {after}.",
                "Restart the nodes one after the other.",
            )
        case Reload.NEVER:
            _refuse(ledger, path, before, after)


def _refuse(ledger: Ledger, path: str, before: str, after: str) -> None:
    ledger.error(
        "cannot-change",
        path,
        f"It cannot change from {before} to {after} while the cluster runs.",
        "Stop the whole cluster, change the file on every node, start it again.",
    )


def _compare_nodes(ledger: Ledger, old: ClusterConfig, new: ClusterConfig) -> None:
    before = {node.nodeid: node for node in old.nodes}
    after = {node.nodeid: node for node in new.nodes}
    for nodeid, node in after.items():
        if nodeid not in before:
            ledger.info("node-added", "nodelist.node", f"Node {nodeid} ({node.name}) is added.")
        else:
            _compare_node(ledger, before[nodeid], node)
    for nodeid, node in before.items():
        if nodeid in after:
            continue
        if nodeid == old.local:
            ledger.error(
                "local-node-removed",
                "nodelist.node",
                "This node itself is removed.",
                "Stop it first, then remove it on the others.",
            )
        else:
            text = f"Node {nodeid} ({node.name}) is removed; its votes no longer count."
            ledger.info("node-removed", "nodelist.node", text)


def _compare_node(ledger: Ledger, old: NodeEntry, new: NodeEntry) -> None:
    for name in ("name", "quorum_votes"):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            _judge(ledger, f"nodelist.node.{name}", _shown(before), _shown(after))
    for number in sorted(old.links.keys() | new.links.keys()):
        path = f"nodelist.node.ring{number}_addr"
        if number not in old.links:
            ledger.info("link-added", path, f"Node {new.nodeid} gets link {number}.")
        elif number not in new.links:
            ledger.info("link-removed", path, f"Node {new.nodeid} loses link {number}.")
        elif old.links[number].address != new.links[number].address:
            # Remove the link in one reload and add it in another: so Corosync, too.
            ledger.error(
                "address-changed",
                path,
                f"Node {new.nodeid} would move from {old.links[number].address}"
                f" to {new.links[number].address} on a link in use.",
                "Remove the link, reload, add it with the new address, reload again.",
            )
        elif old.links[number].port != new.links[number].port:
            ports = (str(old.links[number].port), str(new.links[number].port))
            _judge(ledger, "totem.interface.mcastport", *ports)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if value not in {None, ""} else "nothing"
