"""The cluster's properties, with their defaults; an unreadable value is the default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.scheduler.rules import Scope, merged_nvpairs
from ninefold.scheduler.scores import INFINITY, parse
from ninefold.scheduler.words import boolean, integer, milliseconds, seconds

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

# Names that older documents use, and what they are called now.
_ALIASES: Final = {
    "stonith-enabled": "fencing-enabled",
    "stonith-action": "fencing-action",
    "stonith-timeout": "fencing-timeout",
    "stop-orphan-resources": "stop-removed-resources",
    "stop-orphan-actions": "stop-removed-actions",
}
_POLICIES: Final = frozenset({"stop", "freeze", "ignore", "demote", "suicide", "fence"})


class Options(msgspec.Struct, frozen=True):
    """`crm_config` as read. `raw` keeps every value as written."""

    raw: dict[str, str] = {}
    no_quorum_policy: str = "stop"
    fencing_enabled: bool = True
    fencing_action: str = "reboot"
    fencing_timeout: str = "60s"
    fencing_timeout_ms: int = 60_000
    startup_fencing: bool = True
    symmetric: bool = True
    stop_all: bool = False
    stop_removed_resources: bool = True
    stop_removed_actions: bool = True
    maintenance_mode: bool = False
    start_failure_is_fatal: bool = True
    probe: bool = True
    concurrent_fencing: bool = True
    batch_limit: int = 0
    migration_limit: int = -1
    cluster_delay: str = "60s"
    placement_strategy: str = "default"
    node_pending_timeout: int = 0
    watchdog: bool = False
    unfencing: bool = False
    shutdown_lock: bool = False
    shutdown_lock_limit: int = 0
    priority_fencing_delay_ms: int = 0
    health_strategy: str = "none"
    health_base: int = 0
    health_scores: tuple[int, int, int] = (0, 0, -1_000_000)


def unpack_options(root: Element, scope: Scope, *, quorate: bool) -> Options:
    """Read the properties of `root`; fences by quorum loss need fencing and a quorum once had."""
    raw: dict[str, str] = {}
    config = root.find("configuration/crm_config")
    if config is not None:
        merged = merged_nvpairs(config, "cluster_property_set", scope, "cib-bootstrap-options")
        for name, value in merged.items():
            raw.setdefault(_ALIASES.get(name, name), value)
    fencing = boolean(raw.get("fencing-enabled"), default=True)
    policy = raw.get("no-quorum-policy", "stop").lower()
    if policy not in _POLICIES:
        policy = "stop"
    if policy in {"suicide", "fence"}:
        panic = boolean(root.get("no-quorum-panic"), default=False)
        policy = "fence" if fencing and (quorate or panic) else "stop"
    action = raw.get("fencing-action", "reboot").lower()
    return Options(
        raw=raw,
        no_quorum_policy=policy,
        fencing_enabled=fencing,
        fencing_action={"poweroff": "off"}.get(action, action),
        fencing_timeout=raw.get("fencing-timeout", "60s"),
        fencing_timeout_ms=milliseconds(raw.get("fencing-timeout"), 60_000),
        startup_fencing=boolean(raw.get("startup-fencing"), default=True),
        symmetric=boolean(raw.get("symmetric-cluster"), default=True),
        stop_all=boolean(raw.get("stop-all-resources"), default=False),
        stop_removed_resources=boolean(raw.get("stop-removed-resources"), default=True),
        stop_removed_actions=boolean(raw.get("stop-removed-actions"), default=True),
        maintenance_mode=boolean(raw.get("maintenance-mode"), default=False),
        start_failure_is_fatal=boolean(raw.get("start-failure-is-fatal"), default=True),
        probe=boolean(raw.get("enable-startup-probes"), default=True),
        concurrent_fencing=boolean(raw.get("concurrent-fencing"), default=True),
        batch_limit=integer(raw.get("batch-limit"), 0),
        migration_limit=integer(raw.get("migration-limit"), -1),
        cluster_delay=raw.get("cluster-delay", "60s"),
        placement_strategy=raw.get("placement-strategy", "default").lower(),
        node_pending_timeout=seconds(raw.get("node-pending-timeout")),
        watchdog=boolean(raw.get("have-watchdog"), default=False),
        unfencing=fencing and _unfencing(root),
        shutdown_lock=boolean(raw.get("shutdown-lock"), default=False),
        shutdown_lock_limit=seconds(raw.get("shutdown-lock-limit")),
        priority_fencing_delay_ms=milliseconds(raw.get("priority-fencing-delay")),
        health_strategy=raw.get("node-health-strategy", "none").lower(),
        health_base=parse(raw.get("node-health-base")),
        health_scores=(
            parse(raw.get("node-health-green")),
            parse(raw.get("node-health-yellow")),
            parse(raw.get("node-health-red"), -INFINITY),
        ),
    )


def _unfencing(root: Element) -> bool:
    """Whether anything is configured to be unfenced before it is used."""
    for section in ("resources", "rsc_defaults"):
        for pair in root.iterfind(f"configuration/{section}//nvpair"):
            if pair.get("name") in {"provides", "requires"} and pair.get("value") == "unfencing":
                return True
    return False
