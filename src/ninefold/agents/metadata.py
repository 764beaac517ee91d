"""What an agent says about itself: the XML of `meta-data`, read for resource and fence agents.

The format is `ra-api-1.dtd` and its 1.1 successor; fence agents add `automatic` to `on` and
`obsoletes` and `deprecated` to parameters. Agents in the field are sloppy, so what can be
understood is, and the rest becomes findings.
"""

from __future__ import annotations

from typing import Final

import msgspec
from lxml import etree

from ninefold.agents.model import Traits
from ninefold.core.durations import millis
from ninefold.core.findings import Finding, Severity
from ninefold.core.instants import Millis

# Debian 12's 226 agents say at most 13 KiB; what says a MiB is no agent.
METADATA_BYTES_MAX: Final = 1_048_576
_TRUE: Final = ("1", "true", "yes", "on")
_MANDATORY: Final = ("start", "stop", "monitor", "meta-data")


class Parameter(msgspec.Struct, frozen=True):
    """One instance parameter. `default` is `None` where the agent states none."""

    name: str
    type: str = "string"
    default: str | None = None
    required: bool = False
    unique: bool = False
    unique_group: str = ""
    deprecated: bool = False
    obsoletes: str = ""
    reloadable: bool = False
    private: bool = False
    values: tuple[str, ...] = ()
    short: str = ""
    long: str = ""


class AgentAction(msgspec.Struct, frozen=True):
    """One action that the agent advertises; times are its advice, `None` where it gives none."""

    name: str
    timeout_ms: Millis | None = None
    interval_ms: Millis | None = None
    depth: str = ""
    role: str = ""
    automatic: bool = False
    on_target: bool = False


class Metadata(msgspec.Struct, frozen=True):
    """An agent's own description. Parameters and actions are in the agent's order."""

    name: str
    version: str = ""
    short: str = ""
    long: str = ""
    parameters: tuple[Parameter, ...] = ()
    actions: tuple[AgentAction, ...] = ()

    def parameter(self, name: str) -> Parameter | None:
        """Return the parameter of that name."""
        return next((item for item in self.parameters if item.name == name), None)

    def action(self, name: str) -> AgentAction | None:
        """Return the (first) action of that name."""
        return next((item for item in self.actions if item.name == name), None)


class Reading(msgspec.Struct, frozen=True):
    """What was understood (`None` if nothing) and what was wrong with it."""

    metadata: Metadata | None
    findings: tuple[Finding, ...] = ()


def parse(text: str, agent: str) -> Reading:
    """Read the output of `meta-data`. `agent` names the subject of the findings."""
    start = text.find("<")
    if start < 0:
        return Reading(None, (_finding(agent, "metadata-missing", "printed no metadata"),))
    data = text[start:].encode()
    if len(data) > METADATA_BYTES_MAX:
        return Reading(None, (_finding(agent, "metadata-too-long", "printed over 1 MiB"),))
    # One agent may not read the host's files or blow up memory: no entities, no network.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        return Reading(None, (_finding(agent, "metadata-malformed", f"is not XML: {error}"),))
    if root.tag != "resource-agent":
        said = f"has the root <{root.tag}> instead of <resource-agent>"
        return Reading(None, (_finding(agent, "metadata-malformed", said),))
    return _read(root, agent)


def _read(root: etree._Element, agent: str) -> Reading:
    findings: list[Finding] = []
    parameters: dict[str, Parameter] = {}
    for element in root.iterfind("parameters/parameter"):
        parameter = _parameter(element)
        if not parameter.name:
            findings.append(_finding(agent, "metadata-parameter", "has a parameter without name"))
        elif parameter.name in parameters:
            said = f"describes the parameter {parameter.name} twice"
            findings.append(_finding(agent, "metadata-parameter", said))
        else:
            parameters[parameter.name] = parameter
    actions = []
    for element in root.iterfind("actions/action"):
        action = _action(element, agent, findings)
        if action.name:
            actions.append(action)
        else:
            findings.append(_finding(agent, "metadata-action", "has an action without name"))
    if not actions:
        findings.append(_finding(agent, "metadata-action", "advertises no action"))
    metadata = Metadata(
        name=root.get("name", ""),
        version=root.get("version") or root.findtext("version", "").strip(),
        short=_text(root, "shortdesc") or root.get("shortdesc", ""),
        long=_text(root, "longdesc"),
        parameters=tuple(parameters.values()),
        actions=tuple(actions),
    )
    return Reading(metadata, tuple(findings))


def _parameter(element: etree._Element) -> Parameter:
    content = element.find("content")
    kind = "string" if content is None else content.get("type", "string")
    options = () if content is None else tuple(content.iterfind("option"))
    return Parameter(
        name=element.get("name", ""),
        type=kind,
        default=None if content is None else content.get("default"),
        required=element.get("required", "0").lower() in _TRUE,
        unique=element.get("unique", "0").lower() in _TRUE,
        unique_group=element.get("unique-group", ""),
        deprecated=element.get("deprecated", "0").lower() in _TRUE
        or element.find("deprecated") is not None,
        obsoletes=element.get("obsoletes", ""),
        reloadable=element.get("reloadable", "0").lower() in _TRUE,
        private=element.get("private", "0").lower() in _TRUE,
        values=tuple(option.get("value", "") for option in options),
        short=_text(element, "shortdesc"),
        long=_text(element, "longdesc"),
    )


def _action(element: etree._Element, agent: str, findings: list[Finding]) -> AgentAction:
    name = element.get("name", "")
    spans: dict[str, Millis | None] = {}
    for key in ("timeout", "interval"):
        text = element.get(key)
        spans[key] = None if text is None else millis(text)
        if text is not None and spans[key] is None:
            said = f"gives the action {name} the {key} {text!r}, which is no span of time"
            findings.append(_finding(agent, "metadata-action", said))
    return AgentAction(
        name=name,
        timeout_ms=spans["timeout"],
        interval_ms=spans["interval"],
        depth=element.get("depth", ""),
        role=element.get("role", ""),
        automatic=element.get("automatic", "0").lower() in _TRUE,
        on_target=element.get("on_target", "0").lower() in _TRUE,
    )


def traits(metadata: Metadata) -> Traits:
    """Return what follows for a change of parameters (OCF resource agent API 1.1, `reload-agent`).

    The older `reload` says nothing about parameters: for most agents it is the service's own reload, after
    which it would run on with the old ones.
    """
    reloads = metadata.action("reload-agent") is not None
    fixed = tuple(one.name for one in metadata.parameters if not one.reloadable)
    secret = tuple(one.name for one in metadata.parameters if one.private)
    return Traits(fixed if reloads else None, secret)


def missing_actions(metadata: Metadata) -> tuple[str, ...]:
    """Return the mandatory actions that a resource agent does not advertise."""
    return tuple(name for name in _MANDATORY if metadata.action(name) is None)


def _text(element: etree._Element, tag: str) -> str:
    return " ".join(element.findtext(tag, "").split())


def _finding(agent: str, code: str, said: str) -> Finding:
    return Finding(
        code=code,
        severity=Severity.WARNING,
        subject=agent,
        sentence=f"The agent {said}.",
        remedy="Report it to whoever ships the agent; `meta-data` shows what it prints.",
    )
