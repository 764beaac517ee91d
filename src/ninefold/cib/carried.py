"""What a configuration may hold that no running cluster here can carry out.

Simulations decide about all of it. A running cluster would do half of it: start a virtual machine, say,
and nothing of what is to run inside. So an operator's change that brings in such a thing is refused
whole, by name; what a document already holds is left alone, and the status warns of it.

And what a running cluster does not heed: it is warned of, and may stand there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ninefold.cib.document import line_of
from ninefold.core.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element as Element

_REMEDY = (
    "Take it out for a running cluster; 'ninefold simulate' shows what would be decided about it."
)

_WATCHDOG: Final = ("stonith-watchdog-timeout", "fencing-watchdog-timeout")


def not_heeded(configuration: Element) -> list[Finding]:
    """Return a warning for each time after which a lost node is to count as reset by its own watchdog."""
    return [
        Finding("not-heeded", Severity.WARNING, str(pair.get("name")),
                f"{pair.get('name')}={pair.get('value')} is not heeded: no lost node counts as silent because its watchdog "
                "must have run out.",
                "Give every node a fence device; 'ninefoldd --watchdog-ms' is for a daemon that dies or hangs.",
                line=line_of(pair))
        for pair in configuration.iterfind("crm_config/cluster_property_set/nvpair")
        # 0, in whichever unit, is the default: it is not used.
        if pair.get("name") in _WATCHDOG and re.search("[1-9]", pair.get("value", ""))
    ]  # fmt: skip


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
