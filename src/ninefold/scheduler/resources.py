"""Primitives, groups and templates as configured, with their meta attributes and operations.

A construct that is not supported becomes one unsupported resource without children: it is named in
the warnings and never acted upon.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Final

from ninefold.scheduler.rules import Scope, merged_nvpairs
from ninefold.scheduler.scores import INFINITY, parse
from ninefold.scheduler.words import Role, boolean, is_false, milliseconds, role, seconds
from ninefold.scheduler.workspace import Operation, Resource, Variant

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from ninefold.scheduler.workspace import Node, Workspace

_UNSUPPORTED: Final = {"clone": "clones", "master": "promotable clones", "bundle": "bundles"}
_XML_META: Final = ("id", "class", "provider", "type")
_REQUIRES: Final = frozenset({"nothing", "quorum", "fencing", "unfencing"})


def unpack_resources(work: Workspace) -> None:
    """Read `<resources>`, highest priority first."""
    resources = work.root.find("configuration/resources")
    if resources is None:
        return
    for element in resources.iterchildren("primitive", "group", *_UNSUPPORTED):
        work.resources.append(_unpack(work, element, None))
    for resource in list(work.resources):
        for leaf in resource.primitives():
            if leaf.fence_device:
                work.has_fence_device = True
    if work.options.watchdog:
        work.has_fence_device = True
    work.resources.sort(key=lambda resource: -resource.priority)


def register(work: Workspace, resource: Resource) -> None:
    """Make a resource findable, and put 0 on every node if the cluster is symmetric."""
    work.by_id[resource.id] = resource
    if work.options.symmetric:
        for node in work.nodes:
            resource.scores[node.name] = node.score
    for child in resource.children:
        child.parent = resource


def _unpack(work: Workspace, element: Element, parent: Resource | None) -> Resource:
    tag = element.tag
    identity = element.get("id") or ""
    if tag in _UNSUPPORTED:
        work.warn(f"{identity} is left alone: {_UNSUPPORTED[str(tag)]} are not supported yet.")
        resource = Resource(identity, Variant.UNSUPPORTED, element, parent, managed=False)
        work.by_id[identity] = resource
        for inner in element.iterdescendants("primitive", "group"):
            work.by_id[inner.get("id") or ""] = resource
        return resource
    variant = Variant.GROUP if tag == "group" else Variant.PRIMITIVE
    resource = Resource(identity, variant, element, parent)
    template = _template(work, element)
    if variant is Variant.PRIMITIVE:
        source = element if template is None else template
        resource.agent_class = element.get("class") or source.get("class") or ""
        resource.provider = element.get("provider") or source.get("provider") or ""
        resource.agent_type = element.get("type") or source.get("type") or ""
    resource.meta = _meta(work, resource, template)
    _apply_meta(work, resource)
    if _remote(resource):
        work.warn(f"{identity} is left alone: remote and guest nodes are not supported yet.")
        resource.variant, resource.managed = Variant.UNSUPPORTED, False
        work.by_id[identity] = resource
        return resource
    if boolean(resource.meta.get("allow-migrate"), default=False):
        work.warn(f"{identity} is moved by a stop and a start: live migration comes later.")
    if variant is Variant.GROUP:
        resource.ordered = not is_false(resource.meta.get("ordered"))
        resource.colocated = not is_false(resource.meta.get("colocated"))
        for child in element.iterchildren("primitive"):
            resource.children.append(_unpack(work, child, resource))
    else:
        resource.operations = _operations(work, resource, template)
    register(work, resource)
    return resource


def _remote(resource: Resource) -> bool:
    agent = (resource.agent_class, resource.provider, resource.agent_type)
    guest = resource.variant is Variant.PRIMITIVE and "remote-node" in resource.meta
    return guest or agent == ("ocf", "pacemaker", "remote")


def _template(work: Workspace, element: Element) -> Element | None:
    name = element.get("template")
    return None if name is None else work.elements.get(name)


def _meta(work: Workspace, resource: Resource, template: Element | None) -> dict[str, str]:
    agent = (resource.agent_class, resource.provider, resource.agent_type)
    scope = Scope(now=work.now, resource=agent)
    meta: dict[str, str] = {}
    for name in _XML_META:
        value = resource.element.get(name)
        if value is not None:
            meta[name] = value
    layers = [merged_nvpairs(resource.element, "meta_attributes", scope)]
    if template is not None:
        layers.append(merged_nvpairs(template, "meta_attributes", scope))
    parent = resource.parent
    if parent is not None:
        inherited = {k: v for k, v in parent.meta.items() if k not in _XML_META}
        layers.append(inherited)
    defaults = work.root.find("configuration/rsc_defaults")
    if defaults is not None:
        layers.append(merged_nvpairs(defaults, "meta_attributes", scope))
    for layer in layers:
        for name, value in layer.items():
            if value != "#default":
                meta.setdefault(name, value)
    return meta


def _apply_meta(work: Workspace, resource: Resource) -> None:
    meta, options = resource.meta, work.options
    resource.priority = parse(meta.get("priority"))
    resource.stickiness = parse(meta.get("resource-stickiness"))
    resource.critical = boolean(meta.get("critical"), default=True)
    resource.managed = not options.maintenance_mode
    if "is-managed" in meta:
        resource.managed = boolean(meta["is-managed"], default=True) and resource.managed
    if boolean(meta.get("maintenance"), default=False):
        resource.managed = False
        resource.maintenance = True
    resource.maintenance = resource.maintenance or options.maintenance_mode
    threshold = parse(meta.get("migration-threshold"), INFINITY)
    resource.migration_threshold = threshold if threshold >= 0 else INFINITY
    resource.failure_timeout = seconds(meta.get("failure-timeout"))
    resource.multiple_active = {
        "block": "block",
        "stop_only": "stop_only",
        "stop_unexpected": "stop_unexpected",
    }.get(meta.get("multiple-active", ""), "stop_start")
    resource.fence_device = resource.agent_class == "stonith"
    resource.requires = _requires(work, resource)
    target = role(meta.get("target-role"))
    if target is Role.STOPPED:
        resource.target_role = Role.STOPPED


def _requires(work: Workspace, resource: Resource) -> str:
    options = work.options
    wanted = resource.meta.get("requires", "")
    if wanted not in _REQUIRES:
        if resource.fence_device:
            wanted = "quorum"
        elif options.fencing_enabled:
            wanted = "fencing"
        else:
            wanted = "nothing" if options.no_quorum_policy == "ignore" else "quorum"
    if wanted in {"fencing", "unfencing"} and not options.fencing_enabled:
        return "quorum"
    return "quorum" if wanted == "unfencing" and resource.fence_device else wanted


def _operations(work: Workspace, resource: Resource, template: Element | None) -> list[Operation]:
    found: dict[tuple[str, str], Operation] = {}
    own = resource.element.find("operations")
    inherited = None if template is None else template.find("operations")
    sources = [list(part.iterchildren("op")) for part in (own, inherited) if part is not None]
    result: list[Operation] = []
    for number, source in enumerate(sources):
        for element in source:
            op = _operation(work, resource, element)
            role_class = op.role.name if op.role in {Role.PROMOTED, Role.STOPPED} else "any"
            overridden = (op.name, role_class) in found
            if number and overridden:
                continue
            if not number:
                found[op.name, role_class] = op
            result.append(op)
    return result


def _operation(work: Workspace, resource: Resource, element: Element) -> Operation:
    agent = (resource.agent_class, resource.provider, resource.agent_type)
    name = element.get("name") or ""
    interval_ms = milliseconds(element.get("interval"))
    scope = Scope(now=work.now, resource=agent, operation=(name, interval_ms))
    meta = merged_nvpairs(element, "meta_attributes", scope)
    for key, value in element.attrib.items():
        meta.setdefault(str(key), str(value))
    defaults = work.root.find("configuration/op_defaults")
    if defaults is not None:
        for key, value in merged_nvpairs(defaults, "meta_attributes", scope).items():
            meta.setdefault(key, value)
    return Operation(
        id=element.get("id") or "",
        name=name,
        interval_ms=interval_ms,
        role=role(meta.get("role")),
        enabled=boolean(meta.get("enabled"), default=True),
        on_fail=(meta.get("on-fail") or "").lower(),
        element=element,
        meta=meta,
    )


def parameters_on(work: Workspace, resource: Resource, node: Node | None) -> dict[str, str]:
    """Return the agent's parameters of `resource` as they are on `node`."""
    name = "" if node is None else node.name
    cached = resource.parameter_cache.get(name)
    if cached is not None:
        return cached
    agent = (resource.agent_class, resource.provider, resource.agent_type)
    attributes = None if node is None else node.attributes
    scope = Scope(now=work.now, attributes=attributes, resource=agent)
    merged = merged_nvpairs(resource.element, "instance_attributes", scope)
    template = _template(work, resource.element)
    if template is not None:
        for key, value in merged_nvpairs(template, "instance_attributes", scope).items():
            merged.setdefault(key, value)
    parent = resource.parent
    if parent is not None and parent.variant is not Variant.PRIMITIVE:
        for key, value in parameters_on(work, parent, node).items():
            merged.setdefault(key, value)
    resource.parameter_cache[name] = merged
    return merged


def operation_parameters(work: Workspace, op: Operation, node: Node | None) -> dict[str, str]:
    """Return the parameters that an `<op>` itself adds or overrides."""
    attributes = None if node is None else node.attributes
    scope = Scope(now=work.now, attributes=attributes)
    return merged_nvpairs(op.element, "instance_attributes", scope)


def with_references(root: Element) -> Element:
    """Return `root`, or a copy in which every `id-ref` holds what it refers to."""
    if root.find(".//*[@id-ref]") is None:
        return root
    copy = deepcopy(root)
    known = {e.get("id"): e for e in copy.iter("*") if e.get("id")}
    for element in list(copy.iterfind(".//*[@id-ref]")):
        source, parent = known.get(element.get("id-ref")), element.getparent()
        if source is None or parent is None or source.tag != element.tag:
            continue
        replacement = deepcopy(source)
        if element.get("name") is not None:
            replacement.set("name", element.get("name") or "")
        replacement.tail = None
        parent.replace(element, replacement)
    return copy
