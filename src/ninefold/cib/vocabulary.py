"""The words of the configuration: elements with their attributes, operations, names of times.

Tables only; the rules that use them are in `check`. Source: the CIB format as Pacemaker documents
it (Pacemaker Explained, schemas 1.0 to 3.9), including words that later schemas dropped.
"""

from __future__ import annotations

from typing import Final

_RULED: Final = ("id", "id-ref", "score")
_CONTAINER: Final = (
    "image", "replicas", "replicas-per-host", "promoted-max", "masters", "run-command", "network",
    "options",
)  # fmt: skip
_ROLE: Final = ("id", "role", "kind", "reference", "object-type", "attribute", "xpath")

# `None`: any attribute may stand there.
ATTRIBUTES: Final[dict[str, tuple[str, ...] | None]] = {
    "configuration": (),
    "crm_config": (),
    "nodes": (),
    "resources": (),
    "constraints": (),
    "rsc_defaults": (),
    "op_defaults": (),
    "fencing-topology": (),
    "acls": (),
    "tags": (),
    "alerts": (),
    "cluster_property_set": _RULED,
    "instance_attributes": _RULED,
    "meta_attributes": _RULED,
    "utilization": _RULED,
    "nvpair": ("id", "id-ref", "name", "value"),
    "node": ("id", "uname", "type", "description", "score"),
    "primitive": ("id", "class", "provider", "type", "template", "description"),
    "template": ("id", "class", "provider", "type", "description"),
    "group": ("id", "description"),
    "clone": ("id", "description"),
    "master": ("id", "description"),
    "bundle": ("id", "description"),
    "docker": _CONTAINER,
    "podman": _CONTAINER,
    "rkt": _CONTAINER,
    "network": (
        "ip-range-start", "control-port", "host-interface", "host-netmask", "add-host",
    ),
    "port-mapping": ("id", "port", "internal-port", "range"),
    "storage": (),
    "storage-mapping": ("id", "source-dir", "source-dir-root", "target-dir", "options"),
    "operations": ("id", "id-ref"),
    "op": (
        "id", "id-ref", "name", "interval", "timeout", "on-fail", "role", "enabled", "start-delay",
        "interval-origin", "record-pending", "description", "requires",
    ),
    "rsc_location": (
        "id", "rsc", "rsc-pattern", "node", "score", "role", "resource-discovery",
    ),
    "rsc_colocation": (
        "id", "rsc", "with-rsc", "score", "rsc-role", "with-rsc-role", "rsc-instance",
        "with-rsc-instance", "node-attribute", "influence", "score-attribute",
        "score-attribute-mangle",
    ),
    "rsc_order": (
        "id", "first", "then", "first-action", "then-action", "first-instance", "then-instance",
        "kind", "score", "symmetrical", "require-all",
    ),
    "rsc_ticket": ("id", "rsc", "rsc-role", "ticket", "loss-policy"),
    "resource_set": (
        "id", "id-ref", "sequential", "require-all", "ordering", "action", "role", "score", "kind",
    ),
    "resource_ref": ("id",),
    "lifetime": (),
    "rule": ("id", "id-ref", "score", "score-attribute", "boolean-op", "role"),
    "expression": ("id", "attribute", "operation", "value", "type", "value-source"),
    "date_expression": ("id", "operation", "start", "end"),
    "date_spec": None,
    "duration": None,
    "rsc_expression": ("id", "class", "provider", "type"),
    "op_expression": ("id", "name", "interval"),
    "fencing-level": (
        "id", "index", "devices", "target", "target-pattern", "target-attribute", "target-value",
    ),
    "tag": ("id",),
    "obj_ref": ("id",),
    "alert": ("id", "path", "description"),
    "recipient": ("id", "value", "description"),
    "select": (),
    "select_attributes": (),
    "select_fencing": (),
    "select_nodes": (),
    "select_resources": (),
    "attribute": ("id", "name"),
    "acl_target": ("id", "name"),
    "acl_group": ("id", "name"),
    "acl_user": ("id",),
    "acl_role": ("id", "description"),
    "acl_permission": _ROLE,
    "role": ("id",),
    "role_ref": ("id",),
    "read": None,
    "write": None,
    "deny": None,
}  # fmt: skip

# Elements whose id is a reference to something else, so it may repeat.
REFERENCE_TAGS: Final = (
    "resource_ref", "obj_ref", "role", "role_ref", "acl_target", "acl_group", "acl_user",
)  # fmt: skip

NEED_ID: Final = (
    "cluster_property_set", "instance_attributes", "meta_attributes", "utilization", "node",
    "primitive", "template", "group", "clone", "master", "bundle", "op", "rsc_location",
    "rsc_colocation", "rsc_order", "rsc_ticket", "resource_set", "resource_ref", "rule",
    "expression", "date_expression", "fencing-level", "tag", "obj_ref", "alert", "recipient",
)  # fmt: skip

CONSTRAINT_TAGS: Final = (
    "rsc_location", "rsc_colocation", "rsc_order", "rsc_ticket", "resource_ref",
)  # fmt: skip

RESOURCE_REFERENCES: Final = ("rsc", "with-rsc", "first", "then")

OPERATIONS: Final = (
    "monitor", "start", "stop", "promote", "demote", "notify", "reload", "reload-agent",
    "migrate_to", "migrate_from", "validate-all", "meta-data",
)  # fmt: skip

# Properties and meta attributes that are times.
TIME_PROPERTIES: Final = (
    "stonith-timeout", "fencing-timeout", "dc-deadtime", "election-timeout", "shutdown-escalation",
    "cluster-delay", "cluster-recheck-interval", "transition-delay", "stonith-watchdog-timeout",
    "fencing-watchdog-timeout", "priority-fencing-delay", "node-pending-timeout",
    "shutdown-lock-limit", "load-threshold-timeout",
)  # fmt: skip

MAY_BE_NEGATIVE: Final = ("stonith-watchdog-timeout", "fencing-watchdog-timeout")
