"""Which devices may silence which node, in which order: read from the CIB.

Devices are the `stonith` primitives, levels the `fencing-topology`. Without levels for a node each
device that covers it is a level of its own, by priority.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from ninefold.core.durations import millis
from ninefold.core.findings import Finding, Severity
from ninefold.core.instants import Millis
from ninefold.fencing.devices import DEFAULT_TIMEOUT_MS, Covers, Device, read_device

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml import etree

# Pacemaker numbers levels 1 to 9.
LEVEL_MAX: Final = 9
ACTIONS: Final = ("reboot", "off")
_FALSE: Final = ("false", "no", "off", "0", "n")

Levels: TypeAlias = tuple[tuple[Device, ...], ...]


class Level(msgspec.Struct, frozen=True):
    """One `fencing-level`: for a node by name, by pattern, or by a node attribute."""

    id: str
    index: int
    devices: tuple[str, ...]
    target: str = ""
    pattern: str = ""
    attribute: str = ""
    value: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Levels with the same key belong together."""
        return self.target.lower(), self.pattern, self.attribute, self.value


class Fencing(msgspec.Struct, frozen=True):
    """Everything the document says about fencing. `nodes` maps names to node attributes."""

    enabled: bool
    action: str
    timeout_ms: Millis
    nodes: dict[str, dict[str, str]]
    devices: tuple[Device, ...]
    topology: tuple[Level, ...]
    findings: tuple[Finding, ...] = ()

    def device(self, name: str) -> Device | None:
        """Return the device of that id."""
        return next((device for device in self.devices if device.id == name), None)

    def levels(self, target: str) -> Levels:
        """Return the levels to be tried for `target`, in order; none if nothing can silence it.

        A level whose devices do not all cover the node is left out: it could never succeed.
        """
        entries = self._entries(target)
        if not entries:
            able = [device for device in self.devices if device.covers(target) is not Covers.NO]
            return tuple((device,) for device in sorted(able, key=lambda device: -device.priority))
        merged: dict[int, list[str]] = {}
        for entry in sorted(entries, key=lambda entry: entry.index):
            merged.setdefault(entry.index, []).extend(entry.devices)
        levels = []
        for names in merged.values():
            devices = [self.device(name) for name in dict.fromkeys(names)]
            level = tuple(device for device in devices if device and _may(device, target))
            if level and len(level) == len(devices):
                levels.append(level)
        return tuple(levels)

    def _entries(self, target: str) -> list[Level]:
        """Return the entries of the one key that applies: by name before pattern before attribute."""
        matching = [
            *(entry for entry in self.topology if entry.target.lower() == target.lower()),
            *(entry for entry in self.topology if entry.pattern and _fits(entry.pattern, target)),
            *(entry for entry in self.topology if entry.attribute and self._has(entry, target)),
        ]
        return [entry for entry in matching if entry.key == matching[0].key]

    def _has(self, entry: Level, target: str) -> bool:
        attributes = next(
            (held for name, held in self.nodes.items() if name.lower() == target.lower()), {}
        )
        return attributes.get(entry.attribute) == entry.value


def _may(device: Device, target: str) -> bool:
    return device.covers(target) is not Covers.NO


def _fits(pattern: str, target: str) -> bool:
    try:
        return re.search(pattern, target, re.IGNORECASE) is not None
    except re.error:
        return False


def read_fencing(cib: etree._Element) -> Fencing:
    """Read a `<cib>` (or `<configuration>`); mistakes become findings, never exceptions."""
    findings: list[Finding] = []
    configuration = cib if cib.tag == "configuration" else cib.find("configuration")
    if configuration is None:
        return Fencing(True, ACTIONS[0], DEFAULT_TIMEOUT_MS, {}, (), ())
    options = _pairs(configuration, "crm_config/cluster_property_set")
    timeout_ms = _timeout(options, findings)
    nodes = {
        node.get("uname", ""): _pairs(node, "instance_attributes")
        for node in configuration.iterfind("nodes/node")
        if node.get("uname")
    }
    devices = tuple(_devices(configuration, list(nodes), timeout_ms, findings))
    fencing = Fencing(
        enabled=_option(options, "enabled", "true").lower() not in _FALSE,
        action=_action(options, findings),
        timeout_ms=timeout_ms,
        nodes=nodes,
        devices=devices,
        topology=tuple(_topology(configuration, findings)),
    )
    findings += _coverage(fencing)
    return msgspec.structs.replace(fencing, findings=tuple(findings))


def _option(options: dict[str, str], name: str, default: str) -> str:
    """Return a property by its name of 2026 (`fencing-…`) or its older one (`stonith-…`)."""
    return options.get(f"fencing-{name}", options.get(f"stonith-{name}", default))


def _timeout(options: dict[str, str], findings: list[Finding]) -> Millis:
    text = _option(options, "timeout", "60s")
    span = millis(text)
    if not span:
        findings.append(_wrong("stonith-timeout", f"It is {text!r}.", "Write 60s, for example."))
        return DEFAULT_TIMEOUT_MS
    return span


def _action(options: dict[str, str], findings: list[Finding]) -> str:
    action = _option(options, "action", ACTIONS[0])
    if action == "poweroff":  # the name it had before Pacemaker 2
        return "off"
    if action not in ACTIONS:
        findings.append(_wrong("stonith-action", f"It is {action!r}.", "Write reboot or off."))
        return ACTIONS[0]
    return action


def _devices(
    configuration: etree._Element, nodes: list[str], timeout_ms: Millis, findings: list[Finding]
) -> Iterator[Device]:
    for primitive in configuration.iterfind("resources//primitive"):
        name = primitive.get("id", "")
        template = _template(configuration, primitive)
        described = primitive if template is None else template
        if described.get("class") != "stonith":
            continue
        inherited = {} if template is None else _pairs(template, "instance_attributes")
        meta = {} if template is None else _pairs(template, "meta_attributes")
        meta = meta | _pairs(primitive, "meta_attributes")
        if meta.get("target-role", "").lower() == "stopped":
            findings.append(
                Finding(
                    "fence-device-disabled",
                    Severity.INFO,
                    f"stonith device {name}",
                    "It is disabled (target-role is Stopped), so it silences no node.",
                    "Enable it if it should.",
                )
            )
            continue
        priority = meta.get("priority", "0")
        device, said = read_device(
            name,
            described.get("type", ""),
            inherited | _pairs(primitive, "instance_attributes"),
            nodes=nodes,
            default_timeout_ms=timeout_ms,
            priority=int(priority) if re.fullmatch(r"[+-]?\d{1,9}", priority) else 0,
        )
        findings += said
        yield device


def _template(configuration: etree._Element, primitive: etree._Element) -> etree._Element | None:
    wanted = primitive.get("template")
    if wanted is None:
        return None
    templates = configuration.iterfind("resources/template")
    return next((found for found in templates if found.get("id") == wanted), None)


def _pairs(element: etree._Element, path: str) -> dict[str, str]:
    """Return the nvpairs below `path`; of several sets the one with the higher score wins.

    Sets with a rule do not count: fencing must not depend on the time of day.
    """
    sets = [found for found in element.iterfind(path) if found.find("rule") is None]
    result: dict[str, str] = {}
    for held in sorted(sets, key=_score):
        if held.get("id-ref"):
            held = _referred(held)  # noqa: PLW2901 - the set that is meant
        for pair in held.iterfind("nvpair"):
            meant = _referred(pair) if pair.get("id-ref") else pair
            name = pair.get("name") or meant.get("name")
            value = meant.get("value")
            if name and value is not None:
                result[name] = value
    return result


def _score(element: etree._Element) -> int:
    text = element.get("score", "0")
    return {"INFINITY": 1_000_000, "-INFINITY": -1_000_000}.get(text) or (
        int(text) if re.fullmatch(r"[+-]?\d{1,7}", text) else 0
    )


def _referred(element: etree._Element) -> etree._Element:
    """Return the element that an `id-ref` names, or the element itself if there is none."""
    wanted = element.get("id-ref")
    found = (
        other for other in element.getroottree().iter(element.tag) if other.get("id") == wanted
    )
    return next(found, element)


def _topology(configuration: etree._Element, findings: list[Finding]) -> Iterator[Level]:
    for element in configuration.iterfind("fencing-topology/fencing-level"):
        name, index = element.get("id", ""), element.get("index", "")
        if not index.isdigit() or not 1 <= int(index) <= LEVEL_MAX:
            subject = f"fencing level {name}"
            findings.append(_wrong(subject, f"Its index is {index!r}.", "Write 1 to 9."))
            continue
        yield Level(
            id=name,
            index=int(index),
            devices=tuple(
                part.strip() for part in element.get("devices", "").split(",") if part.strip()
            ),
            target=element.get("target", ""),
            pattern=element.get("target-pattern", ""),
            attribute=element.get("target-attribute", ""),
            value=element.get("target-value", ""),
        )


def _coverage(fencing: Fencing) -> Iterator[Finding]:
    names = [name.lower() for name in fencing.nodes]
    for level in fencing.topology:
        subject = f"fencing level {level.id}"
        for name in level.devices:
            device = fencing.device(name)
            if device is None:
                yield _wrong(subject, f"It names the device {name}, which is none.", "Create it.")
            elif level.target and device.covers(level.target) is Covers.NO:
                said = f"Its device {name} cannot silence {level.target}, so it never succeeds."
                yield _wrong(subject, said, "Add the node to the device's pcmk_host_map.")
        if not level.devices:
            yield _wrong(subject, "It names no device.", "Name at least one.")
        if level.target and level.target.lower() not in names:
            yield _wrong(subject, f"Its target {level.target} is no node.", "Correct or remove it.")
        if level.pattern and not _compiles(level.pattern):
            said = f"Its pattern {level.pattern!r} is no regular expression."
            yield _wrong(subject, said, "Correct it.")
    if not fencing.enabled:
        return
    for node in fencing.nodes:
        if not fencing.levels(node):
            yield Finding(
                "fence-node-uncovered",
                Severity.WARNING,
                f"node {node}",
                "No fence device can silence it: when it is lost, nothing it ran may start elsewhere.",
                "Create a device whose pcmk_host_map or pcmk_host_list names it.",
            )


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _wrong(subject: str, sentence: str, remedy: str) -> Finding:
    return Finding("fence-configuration", Severity.ERROR, subject, sentence, remedy)
