"""The document itself: immutable by contract, cheap to share, exact in its round trip.

A `Cib` holds the configuration and each child of the status section as separate trees, so that a
status change copies one node's part and shares all others. The whole tree is put together only
when somebody asks for `root`. What may be read of the status lives in `views`.
"""

from __future__ import annotations

import copy
import hashlib
import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from lxml import etree
from lxml.etree import _Element

from ninefold.cib import views
from ninefold.cib.model import Version
from ninefold.core.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ninefold.cib.model import FailCount, Failure, NodeState, Operation
    from ninefold.core.ids import NodeId

Element: TypeAlias = _Element

# The largest document in the recorded cases has 0.8 MB; 200 resources on 32 nodes come to about
# 10 MB of history. Twice that is still parsed in well under a second.
CIB_BYTES_MAX: Final = 20 * 1024 * 1024

# Pacemaker keeps its version numbers in 32-bit ints; leave room for the next step.
VERSION_NUMBER_MAX: Final = 2**31 - 2

# What a running member knows about itself; not part of the replicated document.
CONTEXT_ATTRIBUTES: Final = ("have-quorum", "dc-uuid")

FEATURE_SET: Final = "3.16.1"
SCHEMA: Final = "pacemaker-3.9"

_VERSION: Final = ("admin_epoch", "epoch", "num_updates")
_SECTIONS: Final = ("crm_config", "nodes", "resources", "constraints")


_MIGRATES: Final = etree.XPath("boolean(lrm/*/*/lrm_rsc_op/@migrate_target)")


class Part:
    """One tree of the document with its text, made when first asked for."""

    __slots__ = ("_migrations", "_operations", "_sha256", "_xml", "element")

    def __init__(self, element: Element) -> None:
        self.element = element
        self._xml: bytes | None = None
        self._sha256: bytes | None = None
        self._operations: tuple[Operation, ...] | None = None
        self._migrations: bool | None = None

    @property
    def xml(self) -> bytes:
        """Indented text without a declaration, ending in a newline."""
        if self._xml is None:
            self._xml = bytes(etree.tostring(self.element, encoding="utf-8", pretty_print=True))
        return self._xml

    @property
    def sha256(self) -> bytes:
        """The digest of `xml`."""
        if self._sha256 is None:
            self._sha256 = hashlib.sha256(self.xml).digest()
        return self._sha256

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The history in a `<node_state>`, in document order."""
        if self._operations is None:
            self._operations = views.operations(self.element)
        return self._operations

    @property
    def migrations(self) -> bool:
        """Whether it tells of any migration. Documents are large, migrations few."""
        if self._migrations is None:
            self._migrations = bool(_MIGRATES(self.element))
        return self._migrations

    def copy(self) -> Element:
        """Return a tree of one's own, to be changed and put into a new part."""
        return copy.deepcopy(self.element)


class Cib:
    """One version of the cluster's document. Never changed; changes make new ones."""

    __slots__ = ("_digest", "_root", "attributes", "configuration_part", "extra", "status_parts")

    def __init__(
        self,
        attributes: Mapping[str, str],
        configuration: Part,
        status: tuple[Part, ...],
        extra: tuple[Part, ...] = (),
    ) -> None:
        self.attributes: Final = dict(attributes)
        self.configuration_part: Final = configuration
        self.status_parts: Final = status
        self.extra: Final = extra
        self._root: Element | None = None
        self._digest: str | None = None

    @classmethod
    def empty(cls, cluster_name: str = "") -> Cib:
        """Return the document of a cluster nobody has configured yet."""
        configuration = etree.Element("configuration")
        for section in _SECTIONS:
            etree.SubElement(configuration, section)
        if cluster_name:
            set_id = "cib-bootstrap-options"
            options = etree.SubElement(configuration[0], "cluster_property_set", id=set_id)
            option = etree.SubElement(options, "nvpair", id=f"{set_id}-cluster-name")
            option.set("name", "cluster-name")
            option.set("value", cluster_name)
        attributes = {
            "crm_feature_set": FEATURE_SET,
            "validate-with": SCHEMA,
            "epoch": "0",
            "num_updates": "0",
            "admin_epoch": "0",
        }
        return cls(attributes, Part(configuration), ())

    @classmethod
    def parse(cls, text: str | bytes) -> tuple[Cib | None, list[Finding]]:
        """Read a `<cib>`; `None` with findings if it cannot be one. Never raises on bad input."""
        root, findings = parse_xml(text)
        if root is None:
            return None, findings
        findings = _shape_findings(root)
        return (None, findings) if findings else (cls._of_root(root), [])

    @classmethod
    def _of_root(cls, root: Element) -> Cib:
        configuration = root.find("configuration")
        assert configuration is not None
        status = root.find("status")
        attributes = {str(name): str(value) for name, value in root.attrib.items()}
        for number in _VERSION:
            attributes.setdefault(number, "0")
        others = [child for child in root if child is not configuration and child is not status]
        return cls(
            attributes,
            Part(copy.deepcopy(configuration)),
            tuple(Part(copy.deepcopy(child)) for child in status if is_element(child))
            if status is not None
            else (),
            tuple(Part(copy.deepcopy(child)) for child in others if is_element(child)),
        )

    @property
    def root(self) -> Element:
        """The whole `<cib>` as one tree. Made once, shared by all who ask: not to be changed."""
        if self._root is None:
            # Parsing the text takes half as long as copying the trees into a new one.
            self._root = etree.fromstring(b"".join(self.pieces()), _parser())
        return self._root

    @property
    def configuration(self) -> Element:
        """The `<configuration>` alone, without the cost of `root`. Not to be changed."""
        return self.configuration_part.element

    @property
    def version(self) -> Version:
        """The document's version; missing or bad numbers were refused when it was parsed."""
        numbers = (self.attributes[name] for name in ("admin_epoch", "epoch", "num_updates"))
        return Version(*map(int, numbers))

    def to_xml(self) -> bytes:
        """Return the text: UTF-8, indented, the same bytes for the same document."""
        status = b"".join(_shifted(part.xml, 4) for part in self.status_parts)
        return b"".join(
            (
                self._opening(self.attributes),
                _shifted(self.configuration_part.xml, 2),
                b"  <status>\n" + status + b"  </status>\n" if status else b"  <status/>\n",
                *(_shifted(part.xml, 2) for part in self.extra),
                b"</cib>\n",
            )
        )

    def pieces(self) -> tuple[bytes, ...]:
        """Return texts that, joined, parse to this document; those of unchanged parts are shared."""
        return (
            self._opening(self.attributes),
            self.configuration_part.xml,
            b"<status>",
            *(part.xml for part in self.status_parts),
            b"</status>",
            *(part.xml for part in self.extra),
            b"</cib>\n",
        )

    def digest(self) -> str:
        """Return sha256 (hex) of the root's attributes and of its parts' digests, in order.

        A part that did not change is not read again. What each member knows about itself
        (`CONTEXT_ATTRIBUTES`) does not count.
        """
        if self._digest is None:
            kept = {k: v for k, v in self.attributes.items() if k not in CONTEXT_ATTRIBUTES}
            total = hashlib.sha256(self._opening(kept))
            total.update(self.configuration_part.sha256)
            for parts in (self.status_parts, self.extra):
                total.update(len(parts).to_bytes(8, "big"))
                for part in parts:
                    total.update(part.sha256)
            self._digest = total.hexdigest()
        return self._digest

    def _opening(self, attributes: Mapping[str, str]) -> bytes:
        header = etree.Element("cib")
        _set_all(header, attributes)
        return bytes(etree.tostring(header, encoding="utf-8")).removesuffix(b"/>") + b">\n"

    def with_context(self, *, have_quorum: bool, dc_uuid: str) -> Cib:
        """Return a view in which this member's quorum and DC are set; not a new version."""
        context = {"have-quorum": "1" if have_quorum else "0", "dc-uuid": dc_uuid}
        if all(self.attributes.get(name) == value for name, value in context.items()):
            return self
        return Cib(
            self.attributes | context, self.configuration_part, self.status_parts, self.extra
        )

    def evolved(
        self,
        attributes: Mapping[str, str],
        *,
        configuration: Element | None = None,
        status: tuple[Part, ...] | None = None,
    ) -> Cib:
        """Return a successor with `attributes` changed and the given trees in place of ours."""
        return Cib(
            self.attributes | dict(attributes),
            self.configuration_part if configuration is None else Part(configuration),
            self.status_parts if status is None else status,
            self.extra,
        )

    def property(self, name: str, default: str = "") -> str:
        """Return a cluster property; `cib-bootstrap-options` wins, then document order."""
        return views.cluster_property(self.configuration, name, default)

    def node_names(self) -> dict[NodeId, str]:
        """Return the configured cluster nodes, by id."""
        return views.node_names(self.configuration)

    def resource_ids(self) -> tuple[str, ...]:
        """Return ids of primitives, groups, clones and bundles in document order."""
        return views.resource_ids(self.configuration)

    def resource(self, resource: str) -> Element | None:
        """Return the element of a primitive, group, clone or bundle. Not to be changed."""
        return views.resource(self.configuration, resource)

    def defines(self, instance: str) -> bool:
        """Tell whether a resource, an instance of one, or what a bundle implies is configured."""
        name = re.sub(":[0-9]+$", "", instance)
        return any(
            element.get("id") == name
            or (element.tag == "bundle" and name.startswith(f"{element.get('id')}-"))
            for element in views.resources(self.configuration)
        )

    def primitive(self, resource: str) -> Element | None:
        """Return a `<primitive>`. Not to be changed."""
        found = self.resource(resource)
        return found if found is not None and found.tag == "primitive" else None

    def node_state_element(self, node: NodeId) -> Element | None:
        """Return a node's `<node_state>`. Not to be changed."""
        part = self._node_state_part(node)
        return None if part is None else part.element

    def _node_state_part(self, node: NodeId) -> Part | None:
        wanted = str(node)
        for part in self.status_parts:
            if part.element.tag == "node_state" and part.element.get("id") == wanted:
                return part
        return None

    def node_state(self, node: NodeId) -> NodeState | None:
        """Return a node's membership and transient attributes as the status section has them."""
        element = self.node_state_element(node)
        return None if element is None else views.node_state(element)

    def node_states(self) -> tuple[NodeState, ...]:
        """Return all cluster nodes with a status, in document order."""
        return tuple(views.node_state(element) for element in self._node_state_elements())

    def operations(self, node: NodeId) -> tuple[Operation, ...]:
        """Return a node's history, in document order; entries that cannot be read are left out."""
        part = self._node_state_part(node)
        return () if part is None else part.operations

    def histories(self, node: NodeId) -> tuple[Element, ...]:
        """Return the `<lrm_resource>` of each resource in a node's history. Not to be changed."""
        state = self.node_state_element(node)
        return () if state is None else tuple(state.iterfind("lrm/lrm_resources/lrm_resource"))

    def migrates(self, node: NodeId) -> bool:
        """Whether a node's history tells of any migration, at a glance."""
        wanted = str(node)
        return any(
            part.migrations for part in self.status_parts if part.element.get("id") == wanted
        )

    def fail_counts(self) -> tuple[FailCount, ...]:
        """Return every fail count above zero, by node and resource in document order."""
        elements = self._node_state_elements()
        return tuple(count for element in elements for count in views.fail_counts(element))

    def failures(self) -> tuple[Failure, ...]:
        """Return every failed operation still in the history."""
        elements = self._node_state_elements()
        return tuple(failure for element in elements for failure in views.failures(element))

    def _node_state_elements(self) -> list[Element]:
        elements = [part.element for part in self.status_parts]
        return [e for e in elements if e.tag == "node_state" and views.node_id(e) is not None]


def parse_tree(text: str | bytes) -> tuple[Element | None, list[Finding]]:
    """Read a `<cib>` as a tree of one's own, for who needs no `Cib`; findings as `Cib.parse`."""
    root, findings = parse_xml(text)
    findings = findings if root is None else _shape_findings(root)
    if root is None or findings:
        return None, findings
    for number in _VERSION:
        root.set(number, root.get(number, "0"))
    if root.find("status") is None:
        etree.SubElement(root, "status")
    return root, []


def parse_xml(text: str | bytes) -> tuple[Element | None, list[Finding]]:
    """Parse XML as strictly as it deserves: bounded, no DTD, no entities, no network."""
    try:
        data = text.encode() if isinstance(text, str) else text
    except UnicodeEncodeError as error:
        return None, [_error("cib-encoding", f"The text is not Unicode: {error.reason}.")]
    if len(data) > CIB_BYTES_MAX:
        sentence = f"The document has {len(data)} bytes; at most {CIB_BYTES_MAX} are accepted."
        return None, [_error("cib-too-large", sentence)]
    if b"<!DOCTYPE" in data:
        return None, [_doctype()]
    parser = _parser("utf-8" if isinstance(text, str) else None)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        line = error.lineno or 0
        return None, [_error("cib-syntax", f"Not well-formed XML: {error.msg}.", line)]
    except ValueError as error:
        return None, [_error("cib-syntax", f"Not XML: {error}.")]
    information: Any = root.getroottree().docinfo
    if information.doctype:
        return None, [_doctype()]
    _normalise(root)
    return root, []


def _parser(encoding: str | None = None) -> etree.XMLParser:
    return etree.XMLParser(
        encoding=encoding,
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_blank_text=True,
        remove_pis=True,
        collect_ids=False,
    )


def is_element(node: Element) -> bool:
    """Tell elements from comments and entity references."""
    return isinstance(node.tag, str)


def line_of(element: Element) -> int:
    """Return the line an element began in, 0 if it was not read from a file."""
    line: Any = element.sourceline
    return int(line or 0)


def _shape_findings(root: Element) -> list[Finding]:
    line = line_of(root)
    if root.tag != "cib":
        return [_error("cib-root", f"The outermost element is <{root.tag}>, not <cib>.", line)]
    findings = []
    sections: tuple[tuple[str, Callable[[int], bool]], ...] = (
        ("configuration", lambda found: found == 1),
        ("status", lambda found: found <= 1),
    )
    for section, good in sections:
        found = len(root.findall(section))
        if not good(found):
            findings.append(_error("cib-shape", f"There are {found} <{section}> sections.", line))
    for name in _VERSION:
        value = root.get(name, "0")
        number = int(value) if re.fullmatch("[0-9]{1,10}", value) else -1
        if not 0 <= number <= VERSION_NUMBER_MAX:
            findings.append(_error("cib-version", f"{name}={value!r} is no version number.", line))
    return findings


def _normalise(root: Element) -> None:
    """Fold white space in text and comments, so that indenting is always a fixed point."""
    if not root.xpath("boolean(//text() or //comment())"):
        return
    for node in root.iter():
        node.text = _folded(node.text)
        if node is not root:
            node.tail = _folded(node.tail)


def _folded(text: str | None) -> str | None:
    # An entity reference has no text that may be set; documents with a DTD came no further.
    return (" ".join(text.split()) or None) if text else None


def _shifted(xml: bytes, columns: int) -> bytes:
    # Text and comments hold no newlines and attributes escape theirs, so each one ends a line.
    indent = b" " * columns
    return indent + xml.rstrip(b"\n").replace(b"\n", b"\n" + indent) + b"\n"


def _set_all(element: Element, attributes: Mapping[str, str]) -> None:
    for name, value in attributes.items():
        element.set(name, value)


def _doctype() -> Finding:
    return _error("cib-doctype", "A document type declaration is not accepted.")


def _error(code: str, sentence: str, line: int = 0) -> Finding:
    remedy = "Compare with `ninefold cib show`, and correct the file."
    return Finding(code, Severity.ERROR, "cib", sentence, remedy, line=line)
