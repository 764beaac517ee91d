"""Replacing the configuration as a whole: what an operator edited, against what is there now."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final

import msgspec
from lxml import etree
from lxml.etree import _Element as Element

from ninefold.cib import edit, unseen
from ninefold.cib.check import check
from ninefold.cib.configuration import known_node
from ninefold.cib.document import Cib, parse_xml
from ninefold.cib.model import Version
from ninefold.core.findings import errors

if TYPE_CHECKING:
    from ninefold.cib.edit import Refused
    from ninefold.cib.model import ReplaceConfiguration

# What describes the configuration itself and so comes with it.
_TAKEN: Final[tuple[str, ...]] = ("crm_feature_set", "validate-with", "no-quorum-panic")


class Replacement(msgspec.Struct, frozen=True):
    """A configuration that may be installed; `version` is what its file said, or zero."""

    configuration: Element
    version: Version
    attributes: dict[str, str]


def replace_configuration(cib: Cib, change: ReplaceConfiguration) -> Replacement | Refused:
    """Read and judge a whole `<cib>` or `<configuration>`."""
    if change.base is not None and _epochs(change.base) != _epochs(cib.version):
        return _stale(cib, change.base)
    root, findings = parse_xml(change.xml)
    if root is None:
        return edit.Refused(tuple(findings))
    if root.tag == "configuration":
        wrapped = etree.Element("cib")
        wrapped.append(root)
        root = wrapped
    wrong = errors(check(root))
    if wrong:
        return edit.Refused(tuple(wrong))
    read, findings = Cib.parse(etree.tostring(root, encoding="utf-8"))
    if read is None:
        return edit.Refused(tuple(findings))
    taken = {name: read.attributes[name] for name in _TAKEN if name in read.attributes}
    configuration = read.configuration_part.copy()
    _keep_nodes(cib, configuration)
    return Replacement(configuration, read.version, taken)


def _keep_nodes(cib: Cib, configuration: Element) -> None:
    """Keep nodes that were left out and may run something: all that are not known to be silent.

    Of a node that is not configured nothing is decided: when it is lost nobody would silence it, and what it
    runs would start elsewhere. Files that are written by hand often have no nodes at all.
    """
    section = edit.child(configuration, "nodes")
    old = cib.configuration.find("nodes")
    for state in cib.node_states():
        histories = cib.histories(state.node)
        down = not state.in_ccm and state.expected == "down"
        if down and not any(unseen.may_run(history) is not None for history in histories):
            continue
        if known_node(section, state.node, state.name) is not None:
            continue
        known = None if old is None else edit.find_by(old, "node", "id", str(state.node))
        if known is not None:
            section.append(copy.deepcopy(known))
        else:
            etree.SubElement(section, "node", id=str(state.node), uname=state.name)


def _stale(cib: Cib, base: Version) -> Refused:
    who = cib.attributes.get("update-user", "someone")
    where = cib.attributes.get("update-origin", "an unknown node")
    when = cib.attributes.get("cib-last-written", "an unknown time")
    return edit.refused(
        "stale-base",
        "cib",
        f"Version {base} was edited, but {cib.version} is current: "
        f"changed by {who} on {where}, {when}.",
        "Fetch the current configuration, repeat the edit, and replace again.",
    )


def _epochs(version: Version) -> tuple[int, int]:
    # Status updates go on while an operator edits; they do not make the edit stale.
    return version.admin_epoch, version.epoch
