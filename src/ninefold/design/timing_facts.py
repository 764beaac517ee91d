"""The numbers of the timing chain, and where each stands: `corosync.conf`, CIB, facts of the model.

A number that nobody wrote is `None`, unless its program has a default that applies then; the source
says so. Lengths are milliseconds. A bare number among a part's facts is in seconds, except for
`miimon`, `updelay` and `downdelay`, which are milliseconds as in the bonding driver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.cib.views import cluster_property
from ninefold.core.durations import millis
from ninefold.design.domains import names_in, supports
from ninefold.design.evidence import evidence_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lxml.etree import _Element as Element

    from ninefold.config.model import ClusterConfig
    from ninefold.core.instants import Millis
    from ninefold.design.model import Group, Infrastructure, Part

# Fact names by quantity, the first being the one to write. Underscores count as hyphens.
FACTS: Final[dict[str, tuple[str, ...]]] = {
    "token": ("token",),
    "consensus": ("consensus",),
    "watchdog": ("watchdog", "sbd-watchdog", "watchdog-timeout", "sbd-watchdog-timeout"),
    "msgwait": ("msgwait", "sbd-msgwait", "msgwait-timeout"),
    "crashdump": ("crashdump", "crashdump-timeout", "sbd-crashdump"),
    "sbd-delay-start": ("sbd-delay-start", "delay-start"),
    "sbd-start-timeout": ("sbd-start-timeout", "systemd-start-timeout", "timeout-start-sec"),
    "timeout-stop": ("timeout-stop-sec", "systemd-stop-timeout"),
    "path-failover": ("multipath-failover", "path-failover"),
    "path-timeout": ("path-timeout", "fast-io-fail-tmo", "dev-loss-tmo"),
    "stall": ("stall", "stall-p999", "measured-stall"),
    "pause": ("pause", "vm-pause", "migration-pause", "stun"),
    "stonith-timeout": ("stonith-timeout", "fencing-timeout"),
    "stonith-watchdog-timeout": ("stonith-watchdog-timeout", "fencing-watchdog-timeout"),
    "pcmk-delay-max": ("pcmk-delay-max",),
    "priority-fencing-delay": ("priority-fencing-delay",),
    "shutdown-escalation": ("shutdown-escalation",),
    "qdevice-sync": ("sync-timeout", "qdevice-sync-timeout"),
    "qdevice-timeout": ("qdevice-timeout",),
}
# How a person calls a quantity, and where it is set.
TITLES: Final[dict[str, tuple[str, str]]] = {
    "token": ("token", "totem.token in corosync.conf"),
    "consensus": ("consensus", "totem.consensus in corosync.conf (leave it out: 1.2 x token)"),
    "watchdog": ("SBD watchdog", "the SBD disk's header (`sbd create -1`), or SBD_WATCHDOG_TIMEOUT"),
    "msgwait": ("SBD msgwait", "the SBD disk's header (`sbd create -4`)"),
    "crashdump": ("crashdump timeout", "SBD_OPTS -C"),
    "sbd-delay-start": ("SBD_DELAY_START", "/etc/sysconfig/sbd"),
    "sbd-start-timeout": ("sbd's start timeout", "TimeoutStartSec of sbd.service"),
    "timeout-stop": ("TimeoutStopSec", "TimeoutStopSec of pacemaker.service"),
    "path-failover": ("multipath failover", "multipath.conf"),
    "path-timeout": ("path timeout", "fast_io_fail_tmo in multipath.conf"),
    "stall": ("p99.9 stall", "a measurement of each node"),
    "pause": ("pause of the virtual machine", "the hypervisor (snapshot, migration)"),
    "stonith-timeout": ("stonith-timeout", "the cluster property stonith-timeout"),
    "stonith-watchdog-timeout": (
        "stonith-watchdog-timeout", "the cluster property stonith-watchdog-timeout",
    ),
    "pcmk-delay-max": ("pcmk_delay_max", "the fence device's pcmk_delay_max"),
    "priority-fencing-delay": (
        "priority-fencing-delay", "the cluster property priority-fencing-delay",
    ),
    "shutdown-escalation": ("shutdown-escalation", "the cluster property shutdown-escalation"),
    "qdevice-sync": ("qdevice sync_timeout", "quorum.device.sync_timeout in corosync.conf"),
    "qdevice-timeout": ("qdevice timeout", "quorum.device.timeout in corosync.conf"),
    "stop": ("longest stop", "the resources' stop timeouts"),
}  # fmt: skip

_MILLISECONDS: Final = ("miimon", "updelay", "downdelay")
_PROPERTIES: Final = {
    # Defaults of Pacemaker; an absent watchdog timeout is 0: watchdog fencing is not used.
    "stonith-timeout": "60s",
    "stonith-watchdog-timeout": "0",
    "priority-fencing-delay": "0",
    "shutdown-escalation": "20min",
}
_CLOUD_AGENTS: Final = (
    "fence_aliyun", "fence_aws", "fence_azure_arm", "fence_gce", "fence_ibm_powervs", "fence_ibm_vpc",
    "fence_oci", "fence_openstack", "external/ec2", "external/gcpstonith",
)  # fmt: skip
# LACP tells a partner lost after three of its intervals: 1 s (fast) or 30 s (slow). IEEE 802.1AX 6.4.
LACP_MS: Final = {"fast": 3000, "slow": 90_000}
_LACP_WORDS: Final = {"fast": "fast", "1": "fast", "slow": "slow", "0": "slow"}
_LACP_MODES: Final = ("802.3ad", "4", "lacp")
_TOLD_AUTOMATIC: Final = -1


class Quantity(msgspec.Struct, frozen=True):
    """A number, or that there is none, and where it stands."""

    ms: float | None
    source: str


class Situation(msgspec.Struct):
    """All that the chain's rules look at in one group."""

    group: str
    nodes: int
    values: dict[str, Quantity]
    # Bonds by name: the failover's length; LACP bonds also by the time that a lost partner takes.
    bonds: dict[str, Quantity] = {}
    lacp: dict[str, Quantity] = {}
    # Measured times of devices, with the quantity that is their timeout.
    measured: dict[str, tuple[Quantity, str]] = {}
    coefficient: float = 0.0
    configured_token: float | None = None
    disk_sbd: bool = False
    diskless_sbd: bool = False
    watchdog_automatic: bool = False
    qdevice: bool = False
    multipath: bool = False
    virtual: bool = False
    cloud: bool = False
    fencing_concurrent: bool | None = None
    one_shared_device: bool | None = None
    has_cib: bool = False
    promised: Quantity | None = None

    def ms(self, name: str) -> float | None:
        """Return a quantity, or `None`."""
        found = self.values.get(name)
        return found.ms if found else None


def situation_of(model: Infrastructure, group: Group) -> Situation:
    """Gather everything. Never raises: what cannot be read is unknown."""
    evidence = evidence_of(group)
    parts = _parts(model, group)
    now = Situation(group=group.name, nodes=len(group.nodes), values={})
    if evidence.config is not None:
        _from_corosync(now, evidence.config)
    if evidence.configuration is not None:
        _from_cib(now, evidence.configuration)
    _from_facts(now, parts)
    _from_bonds(now, parts)
    # The arbiter may be a machine at a provider; nobody fences it, and no service stops with it.
    _kinds(now, _parts(model, msgspec.structs.replace(group, witness="")))
    devices = {path.device: path.targets for path in group.fencing}
    if now.one_shared_device is None and devices:
        (shared, *others) = devices.values()
        now.one_shared_device = not others and set(group.nodes) <= set(shared)
    for path in group.fencing:
        if path.time_s is not None:
            told = Quantity(path.time_s.value * 1000, f"{group.name}: fencing by {path.device}")
            own = f"{path.device} pcmk_reboot_timeout"
            name = own if own in now.values else "stonith-timeout"
            now.measured[path.device] = (told, name)
    now.promised = _promised(model, group)
    if now.has_cib and "timeout-stop" not in now.values:
        now.values["timeout-stop"] = Quantity(1_800_000, "default of pacemaker.service")
    return now


def _parts(model: Infrastructure, group: Group) -> list[Part]:
    """Return the parts whose facts concern the group: nodes, devices, witness, all they stand on."""
    roots = [*group.nodes, *(path.device for path in group.fencing), *names_in(group.needs)]
    if group.witness:
        roots.append(group.witness)
    names = dict.fromkeys(n for root in roots for n in (root, *supports(model, root)))
    return [model.parts[name] for name in names if name in model.parts]


def _from_corosync(now: Situation, config: ClusterConfig) -> None:
    totem, nodes = config.totem, len(config.nodes)
    now.nodes = nodes
    now.coefficient = totem.token_coefficient if nodes > 2 else 0
    now.configured_token = totem.token_configured
    beyond = max(0, nodes - 2)
    told = f"corosync.conf: {totem.token_configured} + {beyond} x {totem.token_coefficient} ms"
    now.values["token"] = Quantity(totem.token, told)
    now.values["consensus"] = Quantity(totem.consensus, "corosync.conf (given, or 1.2 x token)")
    if config.quorum.device is not None:
        device = config.quorum.device
        now.qdevice = True
        now.values["qdevice-sync"] = Quantity(device.sync_timeout, "corosync.conf: quorum.device")
        now.values["qdevice-timeout"] = Quantity(device.timeout, "corosync.conf: quorum.device")


def _from_cib(now: Situation, configuration: Element) -> None:
    now.has_cib = True
    for name, default in _PROPERTIES.items():
        text = cluster_property(configuration, name, "")
        if name == "stonith-watchdog-timeout" and text.strip() == str(_TOLD_AUTOMATIC):
            now.watchdog_automatic = True
            now.diskless_sbd = True
            continue
        source = f"CIB: {name}" if text else f"default of {name}"
        now.values[name] = Quantity(millis(text or default), source)
    now.diskless_sbd = now.diskless_sbd or bool(now.ms("stonith-watchdog-timeout"))
    concurrent = cluster_property(configuration, "concurrent-fencing", "true")
    now.fencing_concurrent = concurrent.strip().lower() in ("true", "yes", "1", "on", "y")
    devices = configuration.findall("resources//primitive[@class='stonith']")
    delays = []
    for device in devices:
        name, kind = str(device.get("id")), str(device.get("type"))
        now.disk_sbd = now.disk_sbd or kind in ("external/sbd", "fence_sbd")
        now.cloud = now.cloud or kind in _CLOUD_AGENTS
        given = {
            str(pair.get("name")): str(pair.get("value"))
            for pair in device.iterfind("instance_attributes/nvpair")
        }
        if "pcmk_reboot_timeout" in given:
            own = f"{name} pcmk_reboot_timeout"
            now.values[own] = Quantity(millis(given["pcmk_reboot_timeout"]), f"CIB: {name}")
        if "pcmk_delay_max" in given:
            delays.append(Quantity(millis(given["pcmk_delay_max"]), f"CIB: {name}"))
    if devices:
        none = Quantity(0, "default of pcmk_delay_max: no delay")
        now.values["pcmk-delay-max"] = max(delays, key=lambda d: d.ms or 0, default=none)
        now.one_shared_device = len(devices) == 1
    stop = _longest_stop(configuration)
    if stop is not None:
        now.values["stop"] = stop


def _longest_stop(configuration: Element) -> Quantity | None:
    """Return the longest time in which resources stop one after the other: a group's is a sum."""
    section = configuration.find("resources")
    chains: list[Quantity] = []
    for top in section if section is not None else ():
        primitives = [e for e in top.iter("primitive") if e.get("class") != "stonith"]
        if primitives:
            total = sum(_stop_timeout(configuration, primitive) for primitive in primitives)
            chains.append(Quantity(total, f"CIB: stop of {top.get('id')}"))
    return max(chains, key=lambda chain: chain.ms or 0, default=None)


def _stop_timeout(configuration: Element, primitive: Element) -> Millis:
    for operation in primitive.iterfind("operations/op"):
        if operation.get("name") == "stop" and operation.get("timeout"):
            return millis(operation.get("timeout", "")) or 0
    for pair in configuration.iterfind("op_defaults/meta_attributes/nvpair"):
        if pair.get("name") == "timeout":
            return millis(pair.get("value", "")) or 0
    return 20_000  # Pacemaker's default of every operation.


def _from_facts(now: Situation, parts: Iterable[Part]) -> None:
    for part in parts:
        facts = _normal(part)
        for quantity, names in FACTS.items():
            if quantity in now.values and not now.values[quantity].source.startswith("default"):
                continue
            for name in names:
                length = length_of(name, facts[name]) if name in facts else None
                if length is not None:
                    now.values[quantity] = Quantity(length, f"{part.name}: {name}")
                    break
        if facts.get("sbd") in ("disk", "yes", "true") or "msgwait" in facts or part.kind == "sbd":
            now.disk_sbd = True
        if facts.get("sbd") == "diskless":
            now.diskless_sbd = True
    now.qdevice = now.qdevice or "qdevice-sync" in now.values
    now.multipath = now.multipath or "path-failover" in now.values or "path-timeout" in now.values


def _from_bonds(now: Situation, parts: Iterable[Part]) -> None:
    for part in parts:
        facts = _normal(part)
        if part.kind != "bond" and "miimon" not in facts:
            continue
        miimon, up, down = (length_of(name, facts.get(name, "")) for name in _MILLISECONDS)
        # A failover waits for downdelay, a link that flaps for updelay; the driver's default is none.
        length = None if miimon is None else miimon + max(up or 0, down or 0)
        told = f"{part.name}: miimon + the longer of updelay and downdelay"
        now.bonds[part.name] = Quantity(length, told)
        if facts.get("mode") in _LACP_MODES:
            rate = _LACP_WORDS.get(facts.get("lacp-rate", ""), "")
            told = f"{part.name}: lacp-rate {rate}" if rate else f"{part.name}: lacp-rate not given"
            now.lacp[part.name] = Quantity(LACP_MS.get(rate), told)


def _kinds(now: Situation, parts: Iterable[Part]) -> None:
    kinds = [part.kind for part in parts]
    now.multipath = now.multipath or any("multipath" in kind for kind in kinds)
    now.cloud = now.cloud or any(kind.startswith("cloud") for kind in kinds)
    now.virtual = now.cloud or any(
        kind in ("hypervisor", "vm", "virtual-machine") for kind in kinds
    )


def _promised(model: Infrastructure, group: Group) -> Quantity | None:
    """Return the shortest recovery that somebody counts on: an RTO, or the model's failover time."""
    given = [
        Quantity(service.rto_s * 1000, f"rto of {service.name}")
        for service in model.services.values()
        if service.rto_s is not None and group.name in tuple(names_in(service.needs))
    ]
    if group.failover.time is not None:
        hours = group.failover.time.value
        given.append(Quantity(hours * 3_600_000, f"{group.name}: failover time"))
    return min(given, key=lambda quantity: quantity.ms or 0, default=None)


def _normal(part: Part) -> dict[str, str]:
    return {
        name.lower().replace("_", "-"): value.strip().lower() for name, value in part.facts.items()
    }


def length_of(name: str, text: str) -> float | None:
    """Return a fact's length in ms; `None` if it is none.

    >>> length_of("miimon", "100"), length_of("watchdog", "5"), length_of("watchdog", "15 s")
    (100.0, 5000.0, 15000.0)
    """
    plain = text.strip()
    try:
        number = float(plain)
    except ValueError:
        length = millis(plain)
        return None if length is None else float(length)
    if not 0 <= number < 1e12:  # 30 years in ms; also no NaN
        return None
    return number if name in _MILLISECONDS else number * 1000
