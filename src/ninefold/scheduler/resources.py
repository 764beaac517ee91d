"""Primitives, groups, clones and templates as configured, with meta attributes and operations.

Instances of a clone are resources of their own: the same configuration, an id that ends in their
number, and a state of their own (section 5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lxml import etree

from ninefold.scheduler import bundle_unpack
from ninefold.scheduler.nodes import connect, create_remote
from ninefold.scheduler.rules import Scope, merged_nvpairs
from ninefold.scheduler.scores import INFINITY, parse
from ninefold.scheduler.words import Role, boolean, integer, is_false, milliseconds, role, seconds
from ninefold.scheduler.workspace import CloneFacts, Operation, Resource, Variant

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from ninefold.scheduler.workspace import Node, Workspace

_XML_META: Final = ("id", "class", "provider", "type", "template")
_REQUIRES: Final = frozenset({"nothing", "quorum", "fencing", "unfencing"})
_VARIANTS: Final = {
    "primitive": Variant.PRIMITIVE, "group": Variant.GROUP,
    "clone": Variant.CLONE, "bundle": Variant.BUNDLE,
}  # fmt: skip
# Classes of agents that are told which instance they are.
_TELLING_CLASSES: Final = frozenset({"ocf", "stonith"})
_REMOTE_AGENT: Final = ("ocf", "pacemaker", "remote")


def unpack_resources(work: Workspace) -> None:
    """Read `<resources>`, highest priority first."""
    resources = work.root.find("configuration/resources")
    if resources is None:
        return
    guests = _remote_nodes(work, resources)
    for element in [*resources.iterchildren(*_VARIANTS), *guests]:
        work.resources.append(unpack(work, element, None))
    for top in list(work.resources):
        for leaf in top.primitives():
            if leaf.fence_device:
                work.has_fence_device = True
            _launch(work, leaf)
    if work.options.watchdog:
        work.has_fence_device = True
    for top in work.resources:
        for leaf in top.primitives():
            if leaf.remote_connection:
                connect(work, leaf)
    work.resources.sort(key=lambda resource: -resource.priority)


def _launch(work: Workspace, resource: Resource) -> None:
    """Tie a resource to the one it runs inside of."""
    name = resource.meta.get("container")
    if not name or resource.launcher is not None:
        return
    launcher = work.by_id.get(name)
    if launcher is not None and launcher is not resource:
        resource.launcher = launcher
        launcher.launched.append(resource)


def _remote_nodes(work: Workspace, resources: Element) -> list[Element]:
    """Make the remote and guest nodes known; return the hidden connections to guests."""
    guests: list[Element] = []
    for element in resources.iterdescendants("primitive"):
        agent = (element.get("class"), element.get("provider"), element.get("type"))
        if agent == _REMOTE_AGENT:
            create_remote(work, element.get("id") or "")
            continue
        parent = element.getparent()
        if parent is None or parent.tag not in {"resources", "group"}:
            continue
        meta = merged_nvpairs(element, "meta_attributes", Scope(now=work.now, turns=work.turns))
        name = meta.get("remote-node")
        if name and resources.find(f".//primitive[@id='{name}']") is None:
            create_remote(work, name)
            guests.append(guest_connection(name, element.get("id") or "", meta))
    return guests


def guest_connection(name: str, container: str, meta: dict[str, str]) -> Element:
    """Return the configuration of the hidden connection to a guest."""
    connection = etree.Element(
        "primitive", {"id": name, "class": "ocf", "provider": "pacemaker", "type": "remote"}
    )
    attributes = {"container": container, "internal": "true"}
    if "remote-allow-migrate" in meta:
        attributes["allow-migrate"] = meta["remote-allow-migrate"]
    if "is-managed" in meta:
        attributes["is-managed"] = meta["is-managed"]
    _pairs(connection, "meta_attributes", f"{name}-meta_attributes", attributes)
    operations = etree.SubElement(connection, "operations")
    timeout = meta.get("remote-connect-timeout")
    _op(operations, name, "monitor", "30s", "30s")
    _op(operations, name, "start", "0", timeout or "60s")
    parameters = {"addr": meta.get("remote-addr"), "port": meta.get("remote-port")}
    given = {key: value for key, value in parameters.items() if value}
    if given:
        _pairs(connection, "instance_attributes", f"{name}-instance_attributes", given)
    return connection


def _pairs(parent: Element, tag: str, name: str, values: dict[str, str]) -> None:
    holder = etree.SubElement(parent, tag, id=name)
    for key, value in values.items():
        etree.SubElement(holder, "nvpair", id=f"{name}-{key}", name=key, value=value)


def _op(parent: Element, owner: str, name: str, interval: str, timeout: str) -> None:
    identity = f"{owner}-{name}-interval-{interval}"
    etree.SubElement(parent, "op", id=identity, name=name, interval=interval, timeout=timeout)


def register(work: Workspace, resource: Resource) -> None:
    """Make a resource findable, and put 0 on every node if the cluster is symmetric."""
    work.by_id[resource.id] = resource
    work.by_config_id.setdefault(resource.config_id, []).append(resource)
    guest = resource.remote_connection and "container" in resource.meta
    if work.options.symmetric or guest:
        for node in work.nodes:
            if not node.explicit_only:
                resource.scores.setdefault(node.name, node.score)


def unpack(
    work: Workspace, element: Element, parent: Resource | None, number: int | None = None
) -> Resource:
    """Unpack an element and everything in it; `number` makes it an instance of a clone."""
    config_id = element.get("id") or ""
    identity = config_id if number is None else f"{config_id}:{number}"
    resource = Resource(identity, _VARIANTS[str(element.tag)], element, parent)
    resource.config_id = config_id
    resource.number = -1 if number is None else number
    template = _template(work, element)
    source = element if template is None else template
    resource.agent_class = element.get("class") or source.get("class") or ""
    resource.provider = element.get("provider") or source.get("provider") or ""
    resource.agent_type = element.get("type") or source.get("type") or ""
    resource.meta = _meta(work, resource, template)
    _apply_meta(work, resource)
    register(work, resource)
    match resource.variant:
        case Variant.PRIMITIVE:
            _launch(work, resource)
            _force_anonymous(work, resource)
            resource.operations = _operations(work, resource, template)
            resource.utilization = _utilization(work, resource, template)
        case Variant.GROUP:
            resource.ordered = not is_false(resource.meta.get("ordered"))
            resource.colocated = not is_false(resource.meta.get("collocated"))
            for child in element.iterchildren("primitive"):
                resource.children.append(unpack(work, child, resource, number))
        case Variant.CLONE:
            _unpack_clone(work, resource)
        case Variant.BUNDLE:
            bundle_unpack.unpack_bundle(work, resource, unpack)
    return resource


def _unpack_clone(work: Workspace, clone: Resource) -> None:
    meta = clone.meta
    facts = CloneFacts()
    clone.clone = facts
    if clone.promotable:
        promoted_max = meta.get("promoted-max", meta.get("master-max"))
        node_max = meta.get("promoted-node-max", meta.get("master-node-max"))
        facts.promoted_max = integer(promoted_max, 1)
        facts.promoted_node_max = integer(node_max, 1)
    facts.max = integer(meta.get("clone-max"), max(1, len(work.nodes)))
    facts.node_max = integer(meta.get("clone-node-max"), 1)
    facts.minimum = integer(meta.get("clone-min"), 0)
    facts.ordered = boolean(meta.get("ordered"), default=False)
    facts.interleave = boolean(meta.get("interleave"), default=False)
    if not clone.unique:
        facts.node_max = 1
    inner = _only_child(clone.element)
    if inner is None:
        return
    if "resource-stickiness" not in meta:
        clone.meta["resource-stickiness"] = "1"
        clone.stickiness = 1
    if facts.max <= 0:
        # One hidden instance stands for whatever still runs and must be stopped.
        add_instance(work, clone, inner, removed=True)
    while facts.total < facts.max:
        add_instance(work, clone, inner, removed=False)


def _only_child(element: Element) -> Element | None:
    return next(element.iterchildren("primitive", "group"), None)


def add_instance(
    work: Workspace, clone: Resource, inner: Element | None = None, *, removed: bool
) -> Resource:
    """Create the next instance of a clone."""
    facts = clone.clone
    assert facts is not None
    element = _only_child(clone.element) if inner is None else inner
    assert element is not None
    number = facts.total
    facts.total += 1
    child = unpack(work, element, clone, number)
    if removed:
        for one in child.tree():
            one.removed = True
            one.removed_filler = True
    clone.children.append(child)
    return child


def _force_anonymous(work: Workspace, resource: Resource) -> None:
    """Let the instances of a clone be interchangeable, whose agent's class cannot tell them apart.

    That is found out primitive by primitive: what belongs to the instance being read just now, and
    is not of such a class itself, keeps what is configured.
    """
    clone = resource.top
    facts = clone.clone
    if facts is None or not resource.unique or resource.agent_class in _TELLING_CLASSES:
        return
    work.warn(f"{clone.id}: instances of {resource.config_id} cannot be told apart.")
    facts.node_max = 1
    facts.max = min(facts.max, len(work.nodes))
    for one in [*clone.tree(), resource]:
        one.unique = False
        one.meta["globally-unique"] = "false"


def _template(work: Workspace, element: Element) -> Element | None:
    name = element.get("template")
    return None if name is None else work.elements.get(name)


def _meta(work: Workspace, resource: Resource, template: Element | None) -> dict[str, str]:
    agent = (resource.agent_class, resource.provider, resource.agent_type)
    scope = Scope(now=work.now, turns=work.turns, resource=agent)
    meta: dict[str, str] = {}
    for name in _XML_META:
        value = resource.element.get(name)
        if value is not None:
            meta[name] = value
    layers = [merged_nvpairs(resource.element, "meta_attributes", scope)]
    if template is not None:
        layers.append(merged_nvpairs(template, "meta_attributes", scope))
    parent = resource.parent
    ancestor = parent
    while ancestor is not None:
        layers.append(merged_nvpairs(ancestor.element, "meta_attributes", scope))
        ancestor = ancestor.parent
    defaults = work.root.find("configuration/rsc_defaults")
    if defaults is not None:
        layers.append(merged_nvpairs(defaults, "meta_attributes", scope))
    if parent is not None:
        layers.append({k: v for k, v in parent.meta.items() if k not in _XML_META})
    for layer in layers:
        for name, value in layer.items():
            if value != "#default":
                meta.setdefault(name, value)
    return meta


def _apply_meta(work: Workspace, resource: Resource) -> None:
    meta, options, parent = resource.meta, work.options, resource.parent
    resource.priority = resource.base_priority = parse(meta.get("priority"))
    resource.stickiness = parse(meta.get("resource-stickiness"))
    resource.critical = boolean(meta.get("critical"), default=True)
    resource.notify = boolean(meta.get("notify"), default=False)
    agent = (resource.agent_class, resource.provider, resource.agent_type)
    resource.remote_connection = agent == _REMOTE_AGENT
    inside = "container" in meta
    migrate_default = resource.remote_connection and not inside
    resource.migratable = boolean(meta.get("allow-migrate"), default=migrate_default)
    resource.managed = not options.maintenance_mode
    if "is-managed" in meta:
        resource.managed = boolean(meta["is-managed"], default=True) and resource.managed
    if boolean(meta.get("maintenance"), default=False):
        resource.managed = False
        resource.maintenance = True
    if options.maintenance_mode:
        resource.maintenance = True
    _apply_clone_meta(resource)
    threshold = parse(meta.get("migration-threshold"), INFINITY)
    resource.migration_threshold = threshold if threshold >= 0 else INFINITY
    resource.failure_timeout = seconds(meta.get("failure-timeout"))
    multiple = meta.get("multiple-active", "")
    known = {"block", "stop_only", "stop_unexpected"}
    resource.multiple_active = multiple if multiple in known else "stop_start"
    resource.fence_device = resource.agent_class == "stonith"
    resource.requires = _requires(work, resource)
    resource.nested_remote_allowed = boolean(
        meta.get("allow-remote-in-remote", "false"), default=False
    )
    if resource.remote_connection:
        own = merged_nvpairs(
            resource.element, "instance_attributes", Scope(now=work.now, turns=work.turns)
        )
        resource.reconnect_ms = milliseconds(own.get("reconnect_interval"))
        if resource.reconnect_ms:
            resource.failure_timeout = resource.reconnect_ms // 1000
    _apply_target(resource, parent)


def _apply_clone_meta(resource: Resource) -> None:
    meta, parent = resource.meta, resource.parent
    if resource.variant is Variant.CLONE:
        resource.promotable = boolean(meta.get("promotable"), default=False)
        several = integer(meta.get("clone-node-max"), 1) > 1
        resource.unique = boolean(meta.get("globally-unique"), default=several)
    elif parent is not None and parent.variant is not Variant.BUNDLE:
        resource.promotable = parent.promotable
        # What is configured counts for the inside even where the clone itself could not have it.
        resource.unique = boolean(meta.get("globally-unique"), default=parent.unique)


def _apply_target(resource: Resource, parent: Resource | None) -> None:
    target = role(resource.meta.get("target-role"))
    promotable = resource.promotable or (parent is not None and parent.promotable)
    if target is Role.STOPPED or (target is Role.UNPROMOTED and promotable):
        resource.target_role = target
        resource.next_role = target


def _requires(work: Workspace, resource: Resource) -> str:
    options = work.options
    wanted = resource.meta.get("requires", "").lower()
    if wanted not in _REQUIRES:
        if resource.fence_device or resource.remote_connection:
            wanted = "quorum"
        elif options.unfencing:
            wanted = "unfencing"
        elif options.fencing_enabled:
            wanted = "fencing"
        else:
            wanted = "nothing" if options.no_quorum_policy == "ignore" else "quorum"
    if wanted in {"fencing", "unfencing"} and not options.fencing_enabled:
        return "quorum"
    return "quorum" if wanted == "unfencing" and resource.fence_device else wanted


def _utilization(work: Workspace, resource: Resource, template: Element | None) -> dict[str, int]:
    scope = Scope(now=work.now, turns=work.turns)
    found = merged_nvpairs(resource.element, "utilization", scope)
    if template is not None:
        for key, value in merged_nvpairs(template, "utilization", scope).items():
            found.setdefault(key, value)
    return {key: integer(value, 0) for key, value in found.items()}


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
    scope = Scope(now=work.now, turns=work.turns, resource=agent, operation=(name, interval_ms))
    meta = merged_nvpairs(element, "meta_attributes", scope)
    for key, value in element.attrib.items():
        meta.setdefault(str(key), str(value))
    own_timeout = "timeout" in meta
    for key, value in operation_defaults(work, scope).items():
        meta.setdefault(key, value)
    return Operation(
        id=element.get("id") or "",
        name=name,
        interval_ms=interval_ms,
        role=role(meta.get("role")),
        # This alone has no default, and is no meta attribute: it is about the definition.
        enabled=boolean(element.get("enabled"), default=True),
        on_fail=(meta.get("on-fail") or "").lower(),
        element=element,
        meta=meta,
        own_timeout=own_timeout,
    )


def operation_defaults(work: Workspace, scope: Scope) -> dict[str, str]:
    """Return the defaults that hold for an operation."""
    defaults = work.root.find("configuration/op_defaults")
    return {} if defaults is None else merged_nvpairs(defaults, "meta_attributes", scope)


def defaults_of_unconfigured(
    work: Workspace, resource: Resource, task: str, interval_ms: int
) -> dict[str, str]:
    """Return what holds for an operation of `resource` of which the document says nothing."""
    agent = (resource.agent_class, resource.provider, resource.agent_type)
    scope = Scope(now=work.now, turns=work.turns, resource=agent, operation=(task, interval_ms))
    return operation_defaults(work, scope)


def parameters_on(work: Workspace, resource: Resource, node: Node | None) -> dict[str, str]:
    """Return the agent's parameters of `resource` as they are on `node`."""
    name = "" if node is None else node.name
    cached = resource.parameter_cache.get(name)
    if cached is not None:
        return cached
    agent = (resource.agent_class, resource.provider, resource.agent_type)
    attributes = None if node is None else node.attributes
    scope = Scope(now=work.now, turns=work.turns, attributes=attributes, resource=agent)
    merged = merged_nvpairs(resource.element, "instance_attributes", scope)
    template = _template(work, resource.element)
    if template is not None:
        for key, value in merged_nvpairs(template, "instance_attributes", scope).items():
            merged.setdefault(key, value)
    parent = resource.parent
    if parent is not None and parent.variant in {Variant.GROUP, Variant.CLONE}:
        for key, value in parameters_on(work, parent, node).items():
            merged.setdefault(key, value)
    resource.parameter_cache[name] = merged
    return merged


def operation_parameters(work: Workspace, op: Operation, node: Node | None) -> dict[str, str]:
    """Return the parameters that an `<op>` itself adds or overrides."""
    attributes = None if node is None else node.attributes
    scope = Scope(now=work.now, turns=work.turns, attributes=attributes)
    return merged_nvpairs(op.element, "instance_attributes", scope)
