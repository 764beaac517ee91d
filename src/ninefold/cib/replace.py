"""Replacing the configuration as a whole: what an operator edited, against what is there now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from lxml import etree
from lxml.etree import _Element as Element

from ninefold.cib import edit
from ninefold.cib.check import check
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
    return Replacement(read.configuration_part.copy(), read.version, taken)


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
