"""Everything that can be seen to be wrong with a document before any cluster reads it.

More than `check`, which says what forbids installing a document: references of every kind, sizes
that no cluster has, and constraints that cannot all hold.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.cib import views, vocabulary
from ninefold.cib.allowed import allowed
from ninefold.cib.carried import not_carried_out, not_heeded
from ninefold.cib.check import check
from ninefold.cib.contradictions import contradictions
from ninefold.cib.document import Cib, is_element, line_of, parse_xml
from ninefold.cib.status_check import status_findings
from ninefold.core.findings import Finding, Severity, errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element as Element

# Each instance is weighed on each node against every other, so the work grows with the square of
# these. The largest clusters in use have some 50 nodes and 2,000 resources; this is ten times that.
INSTANCES_MAX: Final = 20_000
COUNT_MAX: Final = 1_000

# What an agent may at most be given: a month. More is a slip of units.
TIME_MS_MAX: Final = 31 * 24 * 3600 * 1000

_COUNTS: Final = (
    "clone-max", "clone-node-max", "promoted-max", "promoted-node-max", "master-max",
    "master-node-max", "clone-min",
)  # fmt: skip
_BUNDLE_COUNTS: Final = ("replicas", "replicas-per-host", "promoted-max", "masters")
_CONTAINERS: Final = ("docker", "podman", "rkt")
_UNITS: Final = {"": 1000, "s": 1000, "sec": 1000, "ms": 1, "msec": 1, "m": 60_000,
                 "min": 60_000, "h": 3_600_000, "hr": 3_600_000, "us": 1, "usec": 1}  # fmt: skip
_TIME: Final = re.compile(r"\s*\+?([0-9]{1,15})\s*([a-z]*)\s*", re.IGNORECASE)


def verify(text: str | bytes, file: str = "") -> list[Finding]:
    """Return every finding about the text of a `<cib>`, by line. Never raises on bad input."""
    root, findings = parse_xml(text)
    if root is not None:
        _, findings = Cib.parse(text)
        findings += [one for one in check(root) if not _same(one, findings)]
        configuration = root.find("configuration")
        if configuration is not None and root.tag == "cib":
            findings += not_carried_out(configuration, Severity.WARNING)
            findings += not_heeded(configuration)
            findings += sizes(configuration)
            findings += allowed(configuration)
            findings += references(configuration)
            findings += contradictions(configuration)
            findings += status_findings(root)
    ordered = sorted(findings, key=lambda finding: finding.line)
    return [msgspec.structs.replace(one, file=file) for one in ordered]


def _same(one: Finding, others: list[Finding]) -> bool:
    return any(one.code == other.code and one.line == other.line for other in others)


def too_large(root: Element) -> list[Finding]:
    """Return what would keep the policy engine busy for ever."""
    configuration = root.find("configuration")
    return [] if configuration is None else errors(sizes(configuration))


def sizes(configuration: Element) -> Iterator[Finding]:
    """Yield counts and times that no cluster has."""
    nodes = sum(1 for _ in configuration.iterfind("nodes/node"))
    total = 0
    for resource in configuration.iterfind("resources/*"):
        leaves = sum(1 for _ in resource.iter("primitive"))
        copies = 1
        for name, value, element in _counts(resource):
            if not re.fullmatch(r"\s*[0-9]{1,18}\s*", value):
                yield _finding("bad-count", Severity.ERROR, element, f"{name}={value!r} is no number.",
                               "Write a number from 0.")  # fmt: skip
                continue
            if int(value) > COUNT_MAX:
                sentence = f"{name}={value.strip()} is more than any cluster has."
                remedy = f"Write at most {COUNT_MAX}."
                yield _finding("absurd-size", Severity.ERROR, element, sentence, remedy)
            elif name in {"clone-max", "replicas"}:
                copies = max(copies, int(value))
        if resource.tag in {"clone", "master"} and copies == 1:
            copies = max(nodes, 1)
        total += leaves * copies
    if total > INSTANCES_MAX:
        section = configuration.find("resources")
        assert section is not None
        sentence = (
            f"There are {total} primitives and instances; at most {INSTANCES_MAX} are weighed."
        )
        yield _finding("absurd-size", Severity.ERROR, section, sentence, "Divide the cluster.")
    for op in configuration.iter("op"):
        for name in ("interval", "timeout", "start-delay"):
            if _milliseconds(op.get(name, "")) > TIME_MS_MAX:
                sentence = f"{name}={op.get(name)} is more than a month."
                remedy = "Numbers without a unit are seconds; write ms behind milliseconds."
                yield _finding("absurd-time", Severity.WARNING, op, sentence, remedy)


def _counts(resource: Element) -> Iterator[tuple[str, str, Element]]:
    for pair in resource.iterfind("meta_attributes/nvpair"):
        if pair.get("name") in _COUNTS:
            yield str(pair.get("name")), str(pair.get("value", "")), pair
    for container in resource:
        if container.tag in _CONTAINERS:
            for name in _BUNDLE_COUNTS:
                if container.get(name) is not None:
                    yield name, str(container.get(name)), container


def _milliseconds(text: str) -> int:
    found = _TIME.fullmatch(text)
    if found is None or found[2].lower() not in _UNITS:
        return 0
    return int(found[1]) * _UNITS[found[2].lower()]


def references(configuration: Element) -> Iterator[Finding]:
    """Yield references to what is not there, and constraints that lack what they are about."""
    ids = {
        str(one.get("id")): one
        for one in configuration.iter()
        if one.get("id") is not None and one.tag not in vocabulary.REFERENCE_TAGS
    }
    yield from _by_id(configuration, ids)
    resources = views.resource_ids(configuration)
    for level in configuration.iterfind("fencing-topology/fencing-level"):
        for device in level.get("devices", "").split(","):
            if device.strip() not in resources:
                sentence = f"There is no fence device {device.strip() or '(empty)'}."
                yield _finding("unknown-device", Severity.ERROR, level, sentence,
                               "Name primitives of class stonith.")  # fmt: skip
    roles = [str(one.get("id")) for one in configuration.iterfind("acls/acl_role")]
    for one in configuration.iterfind("acls/*/role"):
        if one.get("id") not in roles:
            sentence = f"There is no acl_role {one.get('id')}."
            yield _finding("unknown-role", Severity.ERROR, one, sentence, "Correct or remove it.")
    yield from _incomplete(configuration)


def _by_id(configuration: Element, ids: dict[str, Element]) -> Iterator[Finding]:
    templates = [str(one.get("id")) for one in configuration.iterfind("resources/template")]
    for one in configuration.iter():
        if not is_element(one):
            continue
        wanted = one.get("id-ref")
        if wanted is not None and (wanted not in ids or ids[wanted].tag != one.tag):
            sentence = f"There is no <{one.tag}> with the id {wanted}."
            yield _finding("unknown-id-ref", Severity.ERROR, one, sentence, "Correct or remove it.")
        template = one.get("template")
        if one.tag == "primitive" and template is not None and template not in templates:
            sentence = f"There is no template {template}."
            yield _finding(
                "unknown-template", Severity.ERROR, one, sentence, "Correct or remove it."
            )
        if one.tag == "obj_ref" and one.get("id") not in ids:
            sentence = f"There is nothing called {one.get('id')}."
            yield _finding("unknown-tagged", Severity.ERROR, one, sentence, "Correct or remove it.")


_NEEDS: Final = {
    "rsc_order": ("first", "then"),
    "rsc_colocation": ("rsc", "with-rsc"),
    "rsc_ticket": ("rsc",),
}


def _incomplete(configuration: Element) -> Iterator[Finding]:
    for one in configuration.iterfind("constraints/*"):
        if not is_element(one):
            continue
        if one.tag in _NEEDS and one.find("resource_set") is None:
            missing = [name for name in _NEEDS[one.tag] if not one.get(name)]
            if missing:
                sentence = f"The constraint has no {' and no '.join(missing)}."
                yield _finding(
                    "incomplete", Severity.ERROR, one, sentence, "Add it, or remove this."
                )
        if one.tag == "rsc_location":
            yield from _location(one)
        if one.tag == "rsc_ticket" and not one.get("ticket"):
            sentence = "The constraint names no ticket."
            yield _finding("incomplete", Severity.ERROR, one, sentence, "Name one.")
        pair = (one.get("first"), one.get("then")) if one.tag == "rsc_order" else (
            one.get("rsc"), one.get("with-rsc")
        )  # fmt: skip
        if pair[0] and pair[0] == pair[1] and one.tag in _NEEDS and not _roles(one):
            sentence = f"{pair[0]} stands on both sides."
            yield _finding("itself", Severity.ERROR, one, sentence, "Name two, or remove it.")


def _roles(one: Element) -> bool:
    words = ("first-action", "then-action", "rsc-role", "with-rsc-role")
    return any(one.get(word) is not None for word in words)


def _location(one: Element) -> Iterator[Finding]:
    about = one.get("rsc") or one.get("rsc-pattern") or one.find("resource_set") is not None
    if not about:
        sentence = "The constraint is about no resource."
        yield _finding("incomplete", Severity.ERROR, one, sentence, "Add rsc.")
    if one.find("rule") is None and (not one.get("node") or one.get("score") is None):
        sets = one.findall("resource_set")
        if not one.get("node") or not (sets and all(s.get("score") for s in sets)):
            sentence = "The constraint has neither a rule nor both a node and a score."
            yield _finding("incomplete", Severity.ERROR, one, sentence, "Add what is missing.")
    pattern = one.get("rsc-pattern")
    if pattern is not None:
        try:
            re.compile(pattern.removeprefix("!"))
        except re.error as error:
            sentence = f"rsc-pattern={pattern!r} is no pattern: {error}."
            yield _finding("bad-pattern", Severity.ERROR, one, sentence, "Correct it.")


def _finding(
    code: str, severity: Severity, element: Element, sentence: str, remedy: str
) -> Finding:
    own = element.get("id") or element.get("name")
    subject = f"{element.tag} {own}" if own else str(element.tag)
    return Finding(code, severity, subject, sentence, remedy, line=line_of(element))
