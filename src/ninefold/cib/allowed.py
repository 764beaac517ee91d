"""Which values the words of the configuration may have, and what may stand inside of what.

Tables first, then the rules that use them. A value that is none of the words is not refused when the
document is read: the engine goes on with its default, so it does not do what it says. That is why
these are errors. Source: Pacemaker Explained, the schemas 1.0 to 3.9.
"""

from __future__ import annotations

import re
from datetime import datetime
from difflib import get_close_matches
from ipaddress import AddressValueError, IPv4Address
from typing import TYPE_CHECKING, Final

from ninefold.cib.document import is_element, line_of
from ninefold.cib.vocabulary import NEED_ID, REFERENCE_TAGS, TIME_PROPERTIES
from ninefold.core.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lxml.etree import _Element as Element

_BOOLEAN: Final = ("true", "false", "yes", "no", "on", "off", "y", "n", "1", "0")
_ROLES: Final = ("Started", "Stopped", "Promoted", "Unpromoted", "Master", "Slave")
_ACTIONS: Final = ("start", "stop", "promote", "demote")

# By element and attribute.
ATTRIBUTES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "op": {
        "on-fail": ("ignore", "block", "stop", "restart", "standby", "fence", "demote",
                    "restart-container"),
        "role": _ROLES, "enabled": _BOOLEAN, "record-pending": _BOOLEAN,
    },
    "rsc_location": {"role": _ROLES, "resource-discovery": ("always", "never", "exclusive")},
    "rsc_colocation": {"rsc-role": _ROLES, "with-rsc-role": _ROLES, "influence": _BOOLEAN},
    "rsc_order": {
        "kind": ("Optional", "Mandatory", "Serialize"), "symmetrical": _BOOLEAN,
        "require-all": _BOOLEAN, "first-action": _ACTIONS, "then-action": _ACTIONS,
    },
    "rsc_ticket": {"rsc-role": _ROLES, "loss-policy": ("stop", "demote", "fence", "freeze")},
    "resource_set": {
        "sequential": _BOOLEAN, "require-all": _BOOLEAN, "action": _ACTIONS, "role": _ROLES,
        "ordering": ("group", "listed"), "kind": ("Optional", "Mandatory", "Serialize"),
    },
    "rule": {"boolean-op": ("and", "or"), "role": _ROLES},
    "expression": {
        "operation": ("lt", "gt", "lte", "gte", "eq", "ne", "defined", "not_defined"),
        "type": ("string", "integer", "number", "version"),
        "value-source": ("literal", "param", "meta"),
    },
    "date_expression": {"operation": ("gt", "lt", "in_range", "date_spec")},
    "node": {"type": ("member", "normal", "ping", "remote")},
}  # fmt: skip

PROPERTIES: Final[dict[str, tuple[str, ...]]] = {
    "no-quorum-policy": ("stop", "freeze", "ignore", "demote", "suicide", "fence"),
    "stonith-action": ("reboot", "off", "poweroff"),
    "fencing-action": ("reboot", "off", "poweroff"),
    "fence-reaction": ("stop", "panic"),
    "fencing-reaction": ("stop", "panic"),
    "placement-strategy": ("default", "utilization", "minimal", "balanced"),
    "node-health-strategy": ("none", "migrate-on-red", "only-green", "progressive", "custom"),
} | dict.fromkeys(
    ("symmetric-cluster", "stonith-enabled", "fencing-enabled", "maintenance-mode",
     "stop-all-resources", "stop-orphan-resources", "stop-removed-resources",
     "stop-orphan-actions", "stop-removed-actions", "start-failure-is-fatal",
     "enable-startup-probes", "startup-fencing", "concurrent-fencing", "shutdown-lock",
     "enable-acl", "remove-after-stop", "is-managed-default"),
    _BOOLEAN,
)  # fmt: skip

_NUMBERS: Final = (
    "batch-limit", "migration-limit", "cluster-ipc-limit", "pe-error-series-max",
    "pe-warn-series-max", "pe-input-series-max", "stonith-max-attempts", "fencing-max-attempts",
)  # fmt: skip
_SCORES: Final = (
    "node-health-base", "node-health-green", "node-health-yellow", "node-health-red",
    "default-resource-stickiness", "default-migration-threshold",
)  # fmt: skip
_OTHERS: Final = ("cluster-name", "cluster-infrastructure", "dc-version", "have-watchdog",
                  "load-threshold", "node-action-limit", "last-lrm-refresh", "crmd-transition-delay",
                  "crmd-finalization-timeout", "crmd-integration-timeout")  # fmt: skip

META: Final[dict[str, tuple[str, ...]]] = {
    "target-role": _ROLES,
    "multiple-active": ("block", "stop_only", "stop_start", "stop_unexpected"),
    "requires": ("nothing", "quorum", "fencing", "unfencing"),
} | dict.fromkeys(
    ("is-managed", "maintenance", "critical", "allow-migrate", "notify", "interleave", "ordered",
     "globally-unique", "promotable", "allow-unhealthy-nodes"),
    _BOOLEAN,
)  # fmt: skip

# What a date may say in each field. Weeks of a year, days of a year: as ISO 8601 counts them.
_FIELDS: Final = {
    "seconds": (0, 59), "minutes": (0, 59), "hours": (0, 23), "monthdays": (1, 31),
    "weekdays": (1, 7), "yeardays": (1, 366), "months": (1, 12), "weeks": (1, 53),
    "years": (1, 9999), "weekyears": (1, 9999), "moon": (0, 7),
}  # fmt: skip
_RANGE: Final = re.compile(r"([0-9]{1,9})?(-([0-9]{1,9})?)?")
_INTEGER: Final = re.compile(r"\s*[+-]?(INFINITY|[0-9]{1,18})\s*", re.IGNORECASE)
# xs:ID: begins with a letter or an underscore, no blanks, no slashes, no colons.
_ID: Final = re.compile(r"[^\W\d][\w.-]*")
_INDEX_MAX: Final = 9
# A letter too many or two too few.
_SLIP: Final = 2

# What may stand inside of a collective resource; other words are its own.
_INSIDE: Final = {
    "group": ("primitive",), "clone": ("primitive", "group"), "master": ("primitive", "group"),
    "bundle": ("primitive",),
}  # fmt: skip
_RESOURCES: Final = ("primitive", "group", "clone", "master", "bundle")
_CONTAINERS: Final = ("docker", "podman", "rkt")


def allowed(configuration: Element) -> Iterator[Finding]:
    """Yield every value that is none of those that its word may have."""
    for element in configuration.iter():
        if not is_element(element):
            continue
        for name, words in ATTRIBUTES.get(str(element.tag), {}).items():
            yield from _word(element, name, element.get(name), words)
        yield from _identity(element)
        match element.tag:
            case "nvpair":
                yield from _pair(element)
            case "rule" | "expression" | "date_expression" | "date_spec":
                yield from _rule(element)
            case "resource_set":
                if element.find("resource_ref") is None and element.get("id-ref") is None:
                    yield _finding("empty-set", element, "The set is empty.", "Name its resources.")
            case "group" | "clone" | "master" | "bundle":
                yield from _nesting(element)
            case _:
                pass
    yield from _levels(configuration)


def _word(
    element: Element, name: str, value: str | None, words: tuple[str, ...]
) -> Iterator[Finding]:
    if value is None or value == "#default" or value.lower() in map(str.lower, words):
        return
    shown = words[:2] if words is _BOOLEAN else words
    near = get_close_matches(value[:100], words, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Write {', '.join(shown[:-1])} or {shown[-1]}."
    yield _finding("bad-value", element, f"{name}={value[:100]!r} is none of its values.", hint)


def _identity(element: Element) -> Iterator[Finding]:
    own = element.get("id")
    if not own or element.tag == "node" or element.tag in REFERENCE_TAGS:
        return
    if element.tag in NEED_ID and not _ID.fullmatch(own):
        sentence = f"{own[:100]!r} cannot be an id."
        remedy = "Begin with a letter; letters, digits, and . - _ may follow."
        yield _finding("bad-id", element, sentence, remedy)


def _pair(pair: Element) -> Iterator[Finding]:
    parent = pair.getparent()
    if parent is None or pair.get("id-ref") is not None:
        return
    name, value = pair.get("name"), pair.get("value")
    if not name:
        yield _finding("missing-name", pair, "The pair has no name.", "Add it, or remove this.")
        return
    if value is None:
        return  # as if it did not stand there, everywhere
    match parent.tag:
        case "cluster_property_set":
            yield from _property(pair, name.replace("_", "-"), value)
        case "meta_attributes":
            yield from _word(pair, name, value, META.get(name, (value,)))
        case "utilization" if not _INTEGER.fullmatch(value):
            sentence = f"{name}={value[:100]!r} is no whole number."
            yield _finding("bad-number", pair, sentence, "Write how much of it there is.")
        case _:
            pass


def _property(pair: Element, name: str, value: str) -> Iterator[Finding]:
    if name in PROPERTIES:
        yield from _word(pair, name, value, PROPERTIES[name])
    elif name in (*_NUMBERS, *_SCORES) and not _INTEGER.fullmatch(value):
        sentence = f"{name}={value[:100]!r} is no whole number."
        yield _finding("bad-number", pair, sentence, "Write a whole number.")
    known = (*PROPERTIES, *_NUMBERS, *_SCORES, *_OTHERS, *TIME_PROPERTIES)
    near = get_close_matches(name[:100], known, n=1)
    # Agents keep properties of their own: only what looks like a slip of the pen is told.
    if name not in known and near and _alike(name, near[0]):
        sentence = f"Nothing reads the property {name[:100]}."
        remedy = f"Did you mean {near[0]}?"
        yield _finding("unknown-property", pair, sentence, remedy, Severity.WARNING)


def _alike(one: str, other: str) -> bool:
    return one[:3] == other[:3] and abs(len(one) - len(other)) <= _SLIP


def _rule(element: Element) -> Iterator[Finding]:
    match element.tag:
        case "rule" if element.get("id-ref") is None and not any(map(is_element, element)):
            remedy = "Add an expression, or remove the rule."
            yield _finding("empty-rule", element, "The rule says nothing.", remedy)
        case "expression" if element.get("id-ref") is None:
            operation = element.get("operation")
            needs = {"attribute": element.get("attribute"), "operation": operation}
            if operation not in {"defined", "not_defined"}:
                needs["value"] = element.get("value")
            yield from _missing(element, needs)
        case "date_expression" if element.get("id-ref") is None:
            yield from _dates(element)
        case "date_spec":
            for name, (low, high) in _FIELDS.items():
                value = element.get(name)
                if value is not None and not _within(value, low, high):
                    sentence = f"{name}={value[:100]!r} never comes."
                    remedy = f"Write a number from {low} to {high}, or a range like {low}-{high}."
                    yield _finding("bad-date", element, sentence, remedy)
        case _:
            pass


def _missing(element: Element, needs: Mapping[str, str | None]) -> Iterator[Finding]:
    names = [name for name, value in needs.items() if value is None]
    if names:
        sentence = f"The {element.tag} has no {' and no '.join(names)}."
        yield _finding("incomplete", element, sentence, "Without it, it never holds: add it.")


def _dates(element: Element) -> Iterator[Finding]:
    for name in ("start", "end"):
        value = element.get(name)
        if value is not None and not _is_date(value):
            sentence = f"{name}={value[:100]!r} is no date."
            yield _finding(
                "bad-date", element, sentence, "Write 2026-12-31 or 2026-12-31T18:00:00Z."
            )
    operation = element.get("operation", "in_range")
    needed = {"gt": "start", "lt": "end"}.get(operation)
    if needed is not None and element.get(needed) is None:
        yield from _missing(element, {needed: None})
    if operation == "date_spec" and element.find("date_spec") is None:
        yield _finding("incomplete", element, "There is no <date_spec>.", "Add it.")


def _is_date(text: str) -> bool:
    if re.fullmatch(r"\s*[0-9]{4}-[0-9]{3}\s*", text):
        return True
    try:
        datetime.fromisoformat(text.strip())
    except ValueError:
        return False
    return True


def _within(text: str, low: int, high: int) -> bool:
    found = _RANGE.fullmatch(text.strip())
    if not text.strip() or found is None:
        return False
    first = int(found[1]) if found[1] else low
    last = int(found[3]) if found[3] else (high if found[2] else first)
    return low <= first <= last <= high


def _nesting(element: Element) -> Iterator[Finding]:
    inside = _INSIDE[str(element.tag)]
    for child in element:
        if is_element(child) and child.tag in _RESOURCES and child.tag not in inside:
            sentence = f"A <{child.tag}> cannot stand inside of a <{element.tag}>."
            remedy = f"Inside may stand: {', '.join(inside)}."
            yield _finding("bad-nesting", child, sentence, remedy)
    if element.tag == "bundle":
        yield from _bundle(element)


def _bundle(element: Element) -> Iterator[Finding]:
    if not any(element.find(tag) is not None for tag in _CONTAINERS):
        yield _finding("bad-bundle", element, "The bundle has no container.", "Add <podman>.")
    network = element.find("network")
    start = "" if network is None else network.get("ip-range-start", "")
    port = "" if network is None else network.get("control-port", "")
    if network is not None and start and not _is_address(start):
        sentence = f"ip-range-start={start[:100]!r} is no IPv4 address, so the bundle is left out."
        yield _finding("bad-address", network, sentence, "Write the first address, as 192.0.2.10.")
    if element.find("primitive") is not None and not start and not port:
        sentence = "Nothing leads to the primitive inside, so the bundle is left out."
        remedy = "Add <network> with ip-range-start, or with control-port."
        yield _finding("bad-bundle", element, sentence, remedy)


def _is_address(text: str) -> bool:
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return True


def _levels(configuration: Element) -> Iterator[Finding]:
    kinds = {
        str(one.get("id")): str(one.get("class"))
        for one in configuration.iterfind("resources//primitive")
        if one.get("template") is None
    }
    for level in configuration.iterfind("fencing-topology/fencing-level"):
        index = level.get("index", "")
        if not re.fullmatch("[0-9]{1,9}", index) or not 1 <= int(index) <= _INDEX_MAX:
            sentence = f"index={index[:100]!r} is no level."
            yield _finding("bad-level", level, sentence, f"Write a number from 1 to {_INDEX_MAX}.")
        if not any(level.get(word) for word in ("target", "target-pattern", "target-attribute")):
            sentence = "The level is about no node."
            yield _finding("incomplete", level, sentence, "Add target.")
        for device in map(str.strip, level.get("devices", "").split(",")):
            if kinds.get(device, "stonith") != "stonith":
                sentence = f"{device} is no fence device."
                yield _finding(
                    "unknown-device", level, sentence, "Name primitives of class stonith."
                )


def _finding(
    code: str,
    element: Element,
    sentence: str,
    remedy: str,
    severity: Severity = Severity.ERROR,
) -> Finding:
    own = element.get("id") or element.get("name")
    subject = f"{element.tag} {own}" if own else str(element.tag)
    return Finding(code, severity, subject, sentence, remedy, line=line_of(element))
