"""What others read out of the document: properties, nodes, resources, history, failures.

Functions from elements to values. They are lenient, because a document may come from an older
cluster: what cannot be read is left out here and reported by `check`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ninefold.cib.model import INFINITY, FailCount, Failure, NodeState
from ninefold.cib.operations import operation_failed, operation_from_xml, probe_found

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element as Element

    from ninefold.cib.model import Operation
    from ninefold.core.ids import NodeId

RESOURCE_TAGS: Final = ("primitive", "group", "clone", "master", "bundle")
BOOTSTRAP_OPTIONS: Final = "cib-bootstrap-options"

_FAIL_COUNT: Final = re.compile(
    r"fail-count-(?P<rest>(?P<rsc>.+?)(#(?P<task>.+)_(?P<ms>[0-9]{1,15}))?)"
)


def cluster_property(configuration: Element, name: str, default: str) -> str:
    """Return a cluster property; `cib-bootstrap-options` wins, then document order."""
    pairs = configuration.findall("crm_config/cluster_property_set/nvpair")
    found = [pair for pair in pairs if pair.get("name") == name and pair.get("value") is not None]
    found.sort(key=lambda pair: _parent_id(pair) != BOOTSTRAP_OPTIONS)
    return found[0].get("value", default) if found else default


def node_names(configuration: Element) -> dict[NodeId, str]:
    """Return the configured cluster nodes, by id; ids that are no numbers are left out."""
    names = {}
    for element in configuration.iterfind("nodes/node"):
        number = node_id(element)
        if number is not None and element.get("type", "member") != "remote":
            names[number] = element.get("uname", "")
    return names


def node_id(element: Element) -> NodeId | None:
    """Return the numeric id of a `<node>` or `<node_state>`; remote nodes have none."""
    text = element.get("id", "")
    return int(text) if re.fullmatch("[0-9]{1,10}", text) else None


def resources(configuration: Element) -> Iterator[Element]:
    """Walk primitives, groups, clones and bundles in document order."""
    section = configuration.find("resources")
    if section is not None:
        yield from section.iter(*RESOURCE_TAGS)


def resource_ids(configuration: Element) -> tuple[str, ...]:
    """Return ids of primitives, groups, clones and bundles in document order."""
    return tuple(element.get("id", "") for element in resources(configuration))


def resource(configuration: Element, wanted: str) -> Element | None:
    """Return the element of one resource of any kind."""
    return next((e for e in resources(configuration) if e.get("id") == wanted), None)


def node_state(element: Element) -> NodeState:
    """Read a `<node_state>`; only for those of cluster nodes."""
    number = node_id(element)
    assert number is not None
    pairs = element.iterfind("transient_attributes/instance_attributes/nvpair")
    return NodeState(
        node=number,
        name=element.get("uname", ""),
        in_ccm=element.get("in_ccm", "false") not in ("false", "0"),
        crmd=element.get("crmd", "offline"),
        join=element.get("join", "down"),
        expected=element.get("expected", ""),
        attributes={pair.get("name", ""): pair.get("value", "") for pair in pairs},
        joined_in=int(joined) if (joined := element.get("joined-in", "0")).isdecimal() else 0,
    )


def operations(element: Element) -> tuple[Operation, ...]:
    """Return the history in a `<node_state>`."""
    read = (operation_from_xml(op) for op in element.iterfind("lrm/lrm_resources/lrm_resource/*"))
    return tuple(operation for operation in read if operation is not None)


def failures(element: Element) -> Iterator[Failure]:
    """Walk the failed operations in a `<node_state>`; one kept twice is told once."""
    node = node_state(element)
    told: list[tuple[str, int]] = []
    for operation in operations(element):
        key = (operation.key, operation.call_id)
        failed = operation_failed(operation) and not probe_found(operation)
        if failed and key not in told:
            told.append(key)
            yield Failure(node.node, node.name, operation)


def fail_counts(element: Element) -> Iterator[FailCount]:
    """Walk the fail counts among a `<node_state>`'s transient attributes."""
    node = node_state(element)
    for name, value in node.attributes.items():
        match = _FAIL_COUNT.fullmatch(name)
        count = score(value)
        if match is None or not count:
            continue
        last = node.attributes.get(f"last-failure-{match['rest']}", "")
        yield FailCount(
            node=node.node,
            resource=match["rsc"],
            task=match["task"] or "",
            interval_ms=int(match["ms"] or 0),
            count=count,
            last_failure=int(last) if re.fullmatch("[0-9]{1,15}", last) else 0,
        )


def score(text: str, default: int = 0) -> int:
    """Read a score: INFINITY with a sign, or a number, held within ±INFINITY."""
    word = text.strip().upper().removeprefix("+")
    if word in ("INFINITY", "-INFINITY"):
        return INFINITY if word == "INFINITY" else -INFINITY
    if not re.fullmatch("-?[0-9]{1,18}", word):
        return default
    return max(-INFINITY, min(INFINITY, int(word)))


def _parent_id(element: Element) -> str:
    parent = element.getparent()
    assert parent is not None
    return parent.get("id", "")
