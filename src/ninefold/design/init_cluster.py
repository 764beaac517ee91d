"""What a cluster's own files tell a first infrastructure file: nodes, fence devices, services, storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.core.findings import Finding
from ninefold.design.evidence import evidence_of
from ninefold.design.init import FenceDevice, Promise
from ninefold.design.model import Group
from ninefold.fencing.devices import Covers
from ninefold.fencing.topology import read_fencing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lxml.etree import _Element as Element

    from ninefold.fencing.devices import Device

# Agents of controllers that are built into the machine they switch.
_BUILT_IN: Final = ("ipmi", "ilo", "drac", "idrac", "redfish", "imm", "rsa", "cisco_ucs")
# What a resource is of, by the type of an agent somewhere in it.
_REPLICATED: Final = ("drbd", "linstor")
_ON_AN_ARRAY: Final = ("lvm-activate", "lvm", "iscsi", "clvm", "lvmlockd", "sg_persist")
TOP_RESOURCES: Final = ("group", "clone", "master", "bundle", "primitive")


class Found(msgspec.Struct, frozen=True):
    """What the files say; empty where they say nothing. `storage` is a word of `init.STORAGES`."""

    name: str = ""
    nodes: tuple[str, ...] = ()
    devices: tuple[FenceDevice, ...] = ()
    services: tuple[Promise, ...] = ()
    storage: str = ""
    witness: bool = False
    findings: tuple[Finding, ...] = ()


def look(corosync: Path | None, cib: Path | None) -> Found:
    """Read the files. What is wrong with them is among the findings; nothing is raised."""
    asked = Group(
        "cluster",
        (),
        corosync="" if corosync is None else str(corosync),
        cib="" if cib is None else str(cib),
    )
    evidence = evidence_of(asked)
    config, document = evidence.config, evidence.configuration
    nodes: tuple[str, ...] = ()
    name, witness = "", False
    if config is not None:
        nodes = tuple(node.name or str(node.nodeid) for node in config.nodes)
        name, witness = config.totem.cluster_name, config.quorum.device is not None
    if document is None:
        return Found(name, nodes, witness=witness, findings=evidence.findings)
    nodes = nodes or tuple(_names_of(document))
    return Found(
        name,
        nodes,
        tuple(_devices(document, nodes)),
        tuple(_services(document)),
        _storage(document),
        witness,
        evidence.findings,
    )


def _names_of(document: Element) -> list[str]:
    return [str(node.get("uname")) for node in document.iterfind("nodes/node") if node.get("uname")]


def _devices(document: Element, nodes: tuple[str, ...]) -> Iterator[FenceDevice]:
    for device in read_fencing(document).devices:
        yield FenceDevice(device.id, _inside(device, nodes))


def _inside(device: Device, nodes: tuple[str, ...]) -> str:
    """Return the node that a controller is built into, if it is one and covers only that node."""
    covered = [node for node in nodes if device.covers(node) is Covers.YES]
    built_in = any(word in device.agent for word in _BUILT_IN)
    return covered[0] if built_in and len(covered) == 1 else ""


def _services(document: Element) -> Iterator[Promise]:
    """Take each group and bundle; where there is none, each resource that is no part of the plumbing."""
    resources = document.find("resources")
    if resources is None:
        return
    found = list(resources.iterchildren(*TOP_RESOURCES))
    plain = [r for r in found if not _plumbing(r)]
    chosen = [r for r in plain if r.tag in ("group", "bundle")] or plain
    for resource in chosen:
        name = str(resource.get("id"))
        yield Promise(name, resource=name)


def _plumbing(resource: Element) -> bool:
    """Tell fence devices, and what only exists for other resources."""
    primitives = [resource] if resource.tag == "primitive" else list(resource.iter("primitive"))
    if not primitives:
        return resource.tag != "bundle"
    kinds = {str(primitive.get("type")).lower() for primitive in primitives}
    fences = all(primitive.get("class") == "stonith" for primitive in primitives)
    return fences or kinds <= {*_REPLICATED, *_ON_AN_ARRAY, "dlm", "controld", "ping", "sysinfo"}


def _storage(document: Element) -> str:
    kinds = [str(p.get("type")).lower() for p in document.iterfind("resources//primitive")]
    if any(kind in _REPLICATED for kind in kinds):
        return "drbd"
    # A CIB that manages no storage is of services whose data, if any, each node keeps for itself.
    return "array" if any(kind in _ON_AN_ARRAY for kind in kinds) else "mirror"
