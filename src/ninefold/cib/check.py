"""What an operator may get wrong in a document that is to be installed.

`check(root)` returns every finding at once, sorted by line. Errors forbid the replacement; warnings
are told. What the words mean (which tags, attributes and operations exist) stands in `vocabulary`.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from ninefold.cib import views, vocabulary
from ninefold.cib.document import is_element, line_of
from ninefold.core.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from lxml.etree import _Element as Element

_SECTIONS: Final = ("configuration", "crm_config", "nodes", "resources", "constraints")
_FALSE: Final = ("false", "off", "no", "n", "0")
_SCORE: Final = re.compile(r"[+-]?(INFINITY|[0-9]{1,18})", re.IGNORECASE)
_INTERVAL: Final = re.compile(
    r"\s*\+?[0-9]{1,15}\s*(ms|msec|us|usec|s|sec|m|min|h|hr)?\s*|P[0-9TYMWDHS.:-]{1,40}",
    re.IGNORECASE,
)
_NEGATIVE: Final = re.compile(r"\s*-\s*[0-9]")
_TIMES: Final = ("interval", "timeout", "start-delay", "failure-timeout")


def check(root: Element) -> list[Finding]:
    """Return what is wrong with a `<cib>`; never raises, whatever the document holds."""
    if root.tag != "cib":
        sentence = f"The outermost element is <{root.tag}>, not <cib>."
        return [_finding("cib-root", Severity.ERROR, root, sentence, "Begin with <cib>.")]
    configuration = root.find("configuration")
    if configuration is None:
        sentence = "There is no <configuration>."
        return [_finding("cib-shape", Severity.ERROR, root, sentence, "Add the section.")]
    elements = [e for e in configuration.iter() if is_element(e)]
    findings = [
        *_vocabulary(elements),
        *_ids(elements),
        *_values(elements),
        *_resources(configuration),
        *_references(configuration),
        *_property_sets(configuration),
        *_fencing(configuration),
    ]
    return sorted(findings, key=lambda finding: finding.line)


def _vocabulary(elements: list[Element]) -> Iterator[Finding]:
    """Words nobody will read are most often misspelt ones."""
    for element in elements:
        tag = str(element.tag)
        if tag not in vocabulary.ATTRIBUTES:
            hint = _suggest(tag, vocabulary.ATTRIBUTES)
            sentence = f"<{tag}> is not an element of the configuration."
            yield _finding("unknown-element", Severity.WARNING, element, sentence, hint)
            continue
        if tag in _SECTIONS and element.text:
            sentence = f"<{tag}> holds text, which nothing reads."
            yield _finding("stray-text", Severity.WARNING, element, sentence, "Remove the text.")
        known = vocabulary.ATTRIBUTES[tag]
        for name in map(str, element.attrib):
            if known is not None and name not in known:
                sentence = f"<{tag}> has no attribute {name}."
                hint = _suggest(name, known)
                yield _finding("unknown-attribute", Severity.WARNING, element, sentence, hint)


def _ids(elements: list[Element]) -> Iterator[Finding]:
    seen: dict[str, Element] = {}
    for element in elements:
        tag = str(element.tag)
        own = element.get("id")
        if not own:
            if tag in vocabulary.NEED_ID and element.get("id-ref") is None:
                sentence = f"<{tag}> has no id."
                yield _finding("missing-id", Severity.ERROR, element, sentence, "Give it one.")
            continue
        if tag in vocabulary.REFERENCE_TAGS:
            continue
        # Nodes have ids of their own: a remote node's connection is often called the same.
        first = seen.setdefault(f"node {own}" if tag == "node" else own, element)
        if first is not element:
            sentence = f"The id is taken by the <{first.tag}> in line {line_of(first)}."
            remedy = "Every id may be used once; choose another."
            yield _finding("duplicate-id", Severity.ERROR, element, sentence, remedy)


def _values(elements: list[Element]) -> Iterator[Finding]:
    for element in elements:
        score = element.get("score")
        if score is not None and not _good_score(element, score):
            sentence = f"{score!r} is not a score."
            remedy = "Write an integer, INFINITY or -INFINITY."
            yield _finding("bad-score", Severity.ERROR, element, sentence, remedy)
        if element.tag == "op":
            yield from _operation(element)
        for name, value in _named_values(element):
            yield from _time(element, name, value)


def _good_score(element: Element, score: str) -> bool:
    return bool(_SCORE.fullmatch(score.strip())) or (
        element.tag == "node" and score in ("red", "yellow", "green")
    )


def _named_values(element: Element) -> Iterator[tuple[str, str]]:
    """Walk attributes of `op`, and pairs whose name says that their value is a time."""
    if element.tag == "op":
        yield from ((n, element.get(n, "")) for n in _TIMES if element.get(n) is not None)
    parent = element.getparent()
    timed = parent is not None and parent.tag in ("meta_attributes", "cluster_property_set")
    name = element.get("name", "")
    if element.tag == "nvpair" and timed and name in (*_TIMES, *vocabulary.TIME_PROPERTIES):
        yield name, element.get("value", "")


def _time(element: Element, name: str, value: str) -> Iterator[Finding]:
    if _NEGATIVE.match(value):
        # Pacemaker reads -1 as "unset" in these; anything below zero elsewhere is a mistake.
        if name in vocabulary.MAY_BE_NEGATIVE:
            return
        sentence = f"{name}={value!r} is negative."
        yield _finding("negative-time", Severity.ERROR, element, sentence, "Write 0 or more.")
    elif not _INTERVAL.fullmatch(value) and value.upper() not in ("INFINITY", "#DEFAULT"):
        sentence = f"{name}={value!r} is not a time."
        remedy = "Write a number with a unit: 10s, 500ms, 2min, 1h."
        yield _finding("bad-time", Severity.ERROR, element, sentence, remedy)


def _operation(element: Element) -> Iterator[Finding]:
    name = element.get("name")
    if name is None and element.get("id-ref") is None:
        remedy = "Name the action, monitor for example."
        yield _finding(
            "missing-name", Severity.ERROR, element, "The operation has no name.", remedy
        )
    elif name is not None and name not in vocabulary.OPERATIONS:
        sentence = f"{name} is not an operation the cluster runs by itself."
        hint = _suggest(name, vocabulary.OPERATIONS)
        yield _finding("unknown-operation", Severity.WARNING, element, sentence, hint)


def _resources(configuration: Element) -> Iterator[Finding]:
    for element in views.resources(configuration):
        members = element.findall("primitive")
        if element.tag == "primitive" and element.get("template") is None:
            yield from _agent(element)
        elif element.tag == "group" and not members:
            sentence, remedy = "The group is empty.", "Add a primitive, or remove the group."
            yield _finding("empty-group", Severity.ERROR, element, sentence, remedy)
        elif element.tag in ("clone", "master") and len(members + element.findall("group")) != 1:
            sentence = "A clone needs exactly one primitive or group."
            yield _finding("bad-clone", Severity.ERROR, element, sentence, "Leave one inside.")


def _agent(element: Element) -> Iterator[Finding]:
    for name in ("class", "type"):
        if not element.get(name):
            sentence = f"The primitive has no {name}."
            remedy = f'Name its agent: class="ocf" provider="heartbeat" type="Dummy" has a {name}.'
            yield _finding(f"missing-{name}", Severity.ERROR, element, sentence, remedy)
    if element.get("class") == "ocf" and not element.get("provider"):
        sentence = "An OCF agent needs a provider."
        yield _finding(
            "missing-provider", Severity.ERROR, element, sentence, 'Add provider="heartbeat".'
        )


def _references(configuration: Element) -> Iterator[Finding]:
    constraints = configuration.find("constraints")
    if constraints is None:
        return
    resources = views.resource_ids(configuration)
    tagged = [tag.get("id", "") for tag in configuration.iterfind("tags/tag")]
    templates = [e.get("id", "") for e in configuration.iterfind("resources/template")]
    targets = (*resources, *tagged, *templates)
    nodes = _node_names(configuration)
    for element in constraints.iter(*vocabulary.CONSTRAINT_TAGS):
        names = [element.get(name) for name in vocabulary.RESOURCE_REFERENCES]
        if element.tag == "resource_ref":
            names = [element.get("id")]
        for name in names:
            if name is not None and name not in targets:
                sentence = f"There is no resource {name}."
                hint = _suggest(name, targets)
                yield _finding("unknown-resource", Severity.ERROR, element, sentence, hint)
        node = element.get("node")
        if node is not None and nodes and node.lower() not in map(str.lower, nodes):
            sentence = f"There is no node {node} yet."
            hint = _suggest(node, nodes)
            yield _finding("unknown-node", Severity.WARNING, element, sentence, hint)


def _node_names(configuration: Element) -> list[str]:
    names = [node.get("uname", "") for node in configuration.iterfind("nodes/node")]
    for resource in views.resources(configuration):
        if resource.get("type") == "remote" or resource.tag == "bundle":
            names.append(resource.get("id", ""))
        pairs = resource.iterfind("meta_attributes/nvpair")
        names += [pair.get("value", "") for pair in pairs if pair.get("name") == "remote-node"]
    return names


def _property_sets(configuration: Element) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for pairs in configuration.iterfind("crm_config/cluster_property_set"):
        if pairs.find("rule") is not None:
            continue
        own = pairs.get("id", "")
        for pair in pairs.iterfind("nvpair"):
            name = pair.get("name", "")
            first = seen.setdefault(name, own)
            if first != own:
                sentence = f"{name} is set in {first} already; one of the two has no effect."
                yield _finding(
                    "property-twice", Severity.WARNING, pair, sentence, "Remove one of them."
                )


def _fencing(configuration: Element) -> Iterator[Finding]:
    names = ("fencing-enabled", "stonith-enabled", "stonith_enabled")
    values = [views.cluster_property(configuration, name, "") for name in names]
    enabled = next((value for value in values if value), "true").lower() not in _FALSE
    resources = list(views.resources(configuration))
    if not enabled or not resources or any(e.get("class") == "stonith" for e in resources):
        return
    if any(e.get("class") == "stonith" for e in configuration.iterfind("resources/template")):
        return
    section = configuration.find("resources")
    assert section is not None
    sentence = "Fencing is enabled, but there is no fence device: no resource will start."
    remedy = "Add a primitive of class stonith, or set stonith-enabled=false at your own risk."
    yield _finding("no-fence-device", Severity.WARNING, section, sentence, remedy)


def _suggest(word: str, known: Collection[str]) -> str:
    near = get_close_matches(word[:200], sorted(known), n=1)
    return f"Did you mean {near[0]}?" if near else "Correct or remove it."


def _finding(
    code: str, severity: Severity, element: Element, sentence: str, remedy: str
) -> Finding:
    own = element.get("id") or element.get("name")
    subject = f"{element.tag} {own}" if own else str(element.tag)
    return Finding(code, severity, subject, sentence, remedy, line=line_of(element))
