"""What a configuration may hold that no running cluster here can carry out.

Simulations decide about all of it. A running cluster would do half of it: start a virtual machine, say,
and nothing of what is to run inside. So an operator's change that brings in such a thing is refused
whole, by name; what a document already holds is left alone, and the status warns of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.cib.document import line_of
from ninefold.core.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element as Element

_REMEDY = (
    "Take it out for a running cluster; 'ninefold simulate' shows what would be decided about it."
)


def not_carried_out(configuration: Element, severity: Severity) -> list[Finding]:
    """Return a finding for each bundle, remote node and guest node."""
    return [
        Finding("not-carried-out", severity, name, f"{name} {what}, and those cannot be run yet.",
                _REMEDY, line=line_of(element))
        for name, what, element in _found(configuration)
    ]  # fmt: skip


def brought_in(configuration: Element, present: Element) -> list[Finding]:
    """Return the errors of what `configuration` has and `present` has not."""
    known = [(name, what) for name, what, _ in _found(present)]
    new = [(name, what) for name, what, _ in _found(configuration)]
    findings = not_carried_out(configuration, Severity.ERROR)
    return [one for one, key in zip(findings, new, strict=True) if key not in known]


def _found(configuration: Element) -> Iterator[tuple[str, str, Element]]:
    resources = configuration.find("resources")
    if resources is None:
        return
    types = {
        template.get("id", ""): (template.get("class"), template.get("type"))
        for template in resources.iter("template")
    }
    for element in resources.iter("bundle", "primitive"):
        name = element.get("id", "")
        if element.tag == "bundle":
            yield name, "is a bundle", element
            continue
        own = (element.get("class"), element.get("type"))
        if types.get(element.get("template", ""), own) == ("ocf", "remote"):
            yield name, "is the connection to a remote node", element
        for pair in element.iterfind("meta_attributes/nvpair"):
            if pair.get("name") == "remote-node" and pair.get("value"):
                yield name, f"makes {pair.get('value')} a guest node", pair
