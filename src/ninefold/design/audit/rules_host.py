"""Rules of the machine: power, memory, clock, watchdog, logs, starts, and that there is one of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ninefold.design.audit.clusters import SERVERS
from ninefold.design.audit.rules import (
    ERROR,
    INFO,
    WARNING,
    Rule,
    Sight,
    clustered,
    is_guest,
    open_question,
    running_cluster,
    why_unread,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ninefold.design.audit.facts import HostFacts

_DAY_S: Final = 86_400
_DEPLOY: Final = (
    "Make it a cluster of two nodes at least, with fencing (Pacemaker and Corosync, or Ninefold)."
)


def supplies(facts: HostFacts) -> dict[str, list[bool | None]]:
    """Return power supplies with the state of each of their sensors, by IPMI's entity."""
    found: dict[str, list[bool | None]] = {}
    for one in facts.power:
        # A board tells of the redundancy of all supplies too, which is no supply.
        if one.source == "ipmi" and "redundan" not in one.name.lower():
            found.setdefault(one.entity or one.name, []).append(one.ok)
    return found


def single_supply(facts: HostFacts) -> Iterator[Sight]:
    """One power supply."""
    if is_guest(facts):
        return
    found = supplies(facts)
    if not found:
        why = why_unread(facts, "power", "ipmi")
        yield open_question(
            "power supplies",
            "How many power supplies there are is unknown.",
            why,
            "Look at the machine, or at its BMC.",
        )
    elif len(found) == 1:
        name = next(one.name for one in facts.power if one.source == "ipmi")
        yield Sight(
            name,
            "The machine has one power supply, on one circuit.",
            f"IPMI shows {name} and no other",
            "Add a second power supply on a separate circuit, with a UPS.",
        )
    else:
        yield open_question(
            "circuits",
            f"Whether the {len(found)} power supplies are on separate circuits is unknown.",
            "no sensor knows where a cable ends",
            "Follow the cables; note the feeds in the model.",
        )


def failed_supply(facts: HostFacts) -> Iterator[Sight]:
    """A power supply that does not deliver."""
    for one in facts.power:
        if one.ok is False:
            yield Sight(
                one.name,
                f"{one.name} does not deliver: the next failure of power is the end.",
                f"{one.source}: {one.name}: {one.state}",
                "Check its cable and circuit, replace it.",
            )


def one_host(facts: HostFacts) -> Iterator[Sight]:
    """No cluster takes over for this host."""
    if running_cluster(facts):
        return
    if not facts.units and not facts.daemons and any("processes" in u.what for u in facts.unread):
        yield open_question(
            facts.host,
            "Whether a cluster runs here is unknown.",
            why_unread(facts, "processes"),
            "Run the audit as root.",
        )
        return
    packages = ", ".join(p.name for p in facts.packages) or "none"
    yield Sight(
        facts.host,
        "No cluster runs here: what this host does, nobody takes over.",
        f"no cluster's program runs; packages: {packages}",
        _DEPLOY,
    )


def one_instance(facts: HostFacts) -> Iterator[Sight]:
    """A server program that no cluster looks after."""
    if running_cluster(facts):
        return
    for name in facts.daemons:
        kind = SERVERS.get(name)
        if kind is not None:
            yield Sight(
                name,
                f"One {kind.replace('-', ' ')} ({name}) was seen, on this host; others, if any, were not audited.",
                f"process {name}",
                _ELSEWHERE.get(kind, "Let a cluster manage it."),
            )


_ELSEWHERE: Final = {
    "web-server": "Run several behind HAProxy, or keepalived with LVS.",
    "load-balancer": "Run two that share an address by VRRP (keepalived).",
    "database": "Replicate it: Galera, or PostgreSQL streaming replication, with a cluster that promotes.",
    "dns-server": "Run several, by anycast or as several name servers.",
}


def one_hypervisor(facts: HostFacts) -> Iterator[Sight]:
    """A guest dies with the machine below."""
    machine = facts.machine
    if machine is None:
        yield open_question(
            "machine",
            "Whether this is a guest is unknown.",
            why_unread(facts, "machine"),
            "Look at the machine.",
        )
    elif machine.virtualisation:
        below = machine.hypervisor or "the machine below"
        yield Sight(
            machine.hypervisor or machine.virtualisation,
            f"This guest dies with {below}, and shares it with whoever else is there.",
            f"virtualisation {machine.virtualisation} {machine.vendor} {machine.product}".rstrip(),
            "Keep the nodes of a cluster on different hypervisors (anti-affinity), with storage of their own.",
        )


def container(facts: HostFacts) -> Iterator[Sight]:
    """An audit from inside a container sees the container."""
    if facts.machine is not None and facts.machine.container:
        yield Sight(
            facts.machine.container,
            "This is a container: services, mounts and links are those that it was given.",
            f"container {facts.machine.container}",
            "Audit its host too.",
        )


def memory(facts: HostFacts) -> Iterator[Sight]:
    """Memory that errs."""
    machine = facts.machine
    if machine is None or machine.ecc_errors is None:
        if not is_guest(facts):
            yield open_question(
                "memory",
                "Whether memory has errors is unknown.",
                "no EDAC driver counts them",
                "Load the EDAC driver of the chipset; use ECC memory.",
            )
        return
    if machine.ecc_uncorrected:
        yield Sight(
            "memory",
            "Memory had errors that could not be corrected.",
            f"EDAC: {machine.ecc_uncorrected} uncorrected",
            "Replace the module that EDAC names.",
            severity=ERROR,
        )
    elif machine.ecc_errors:
        yield Sight(
            "memory",
            "Memory had errors that were corrected; they tend to grow.",
            f"EDAC: {machine.ecc_errors} corrected",
            "Replace the module that EDAC names.",
        )


def unsynchronised(facts: HostFacts) -> Iterator[Sight]:
    """A clock that nobody sets."""
    time = facts.time
    if time is None or time.synchronised is None:
        yield open_question(
            "clock",
            "Whether the clock is right is unknown.",
            why_unread(facts, "clock", "time"),
            "See `chronyc tracking` or `timedatectl`.",
        )
    elif not time.synchronised:
        daemon = time.daemon or "no time daemon runs"
        yield Sight(
            "clock",
            "The clock is not synchronised: logs of several nodes cannot be put in order, certificates and tickets fail.",
            f"kernel: not synchronised; {daemon}",
            "Run chrony with two sources at least.",
            severity=ERROR if clustered(facts) else WARNING,
        )


def single_time_source(facts: HostFacts) -> Iterator[Sight]:
    """One clock to believe."""
    time = facts.time
    if time is None or not time.sources:
        yield open_question(
            "time sources",
            "Whom the clock follows is unknown.",
            "no server is configured in a file of chrony, ntp or timesyncd",
            "See `chronyc sources` or `timedatectl timesync-status`.",
        )
    elif len(time.sources) == 1 and not time.sources[0].startswith("pool "):
        yield Sight(
            time.sources[0],
            "One source of time: if it is wrong, nobody notices.",
            f"{time.daemon or 'configuration'}: {time.sources[0]}",
            "Configure a pool, or three servers; with three a wrong one is outvoted.",
        )


def watchdog(facts: HostFacts) -> Iterator[Sight]:
    """A node that hangs must be ended by something that does not hang with it."""
    grave = clustered(facts)
    unnamed = [one.device for one in facts.watchdogs if not one.driver]
    if unnamed or (not facts.watchdogs and any(u.what == "watchdogs" for u in facts.unread)):
        yield open_question(
            "watchdog",
            "Whether a watchdog watches this host, and which, is unknown.",
            f"{unnamed[0]} does not tell its driver" if unnamed else why_unread(facts, "watchdogs"),
            "See `wdctl`, or the kernel's log of the start.",
        )
    elif not facts.watchdogs:
        yield Sight(
            "watchdog",
            "There is no watchdog: a host that hangs goes on hanging.",
            "/sys/class/watchdog is empty",
            "Load the board's driver (iTCO_wdt, ipmi_watchdog, i6300esb in a guest).",
            severity=WARNING if grave else INFO,
        )
    elif all(one.driver == "softdog" for one in facts.watchdogs):
        yield Sight(
            facts.watchdogs[0].device,
            "The only watchdog is softdog, a timer of the kernel that it should watch.",
            f"{facts.watchdogs[0].device}: softdog",
            "Use the board's watchdog (iTCO_wdt, ipmi_watchdog, i6300esb in a guest).",
            severity=WARNING if grave else INFO,
        )


def swap(facts: HostFacts) -> Iterator[Sight]:
    """A host that swaps is slow before it is dead."""
    if facts.machine is not None and facts.machine.swap_mib:
        yield Sight(
            "swap",
            "A node that swaps misses its token and is fenced for being slow.",
            f"SwapTotal {facts.machine.swap_mib} MiB",
            "Do without, or lock the cluster's memory and keep vm.swappiness low.",
            severity=WARNING if clustered(facts) else INFO,
        )


def volatile_log(facts: HostFacts) -> Iterator[Sight]:
    """A log that a crash takes along."""
    if facts.log_persistent is None:
        yield open_question(
            "log",
            "Whether logs survive a reboot is unknown.",
            "no journal and no syslog was found",
            "Make /var/log/journal, or run a syslog.",
        )
    elif not facts.log_persistent:
        yield Sight(
            "journal",
            "The journal lies in memory: why a node was fenced is gone with it.",
            "/run/log/journal, and no /var/log/journal",
            "Make the directory /var/log/journal and restart systemd-journald; ship logs to another host.",
        )


def unclean(facts: HostFacts) -> Iterator[Sight]:
    """Lives that ended without a word."""
    if not facts.boots:
        yield open_question(
            "reboots",
            "How earlier lives of this host ended is unknown.",
            why_unread(facts, "reboots"),
            "See `last -x` or `journalctl --list-boots`.",
        )
    oldest = facts.at - facts.since_days * _DAY_S
    # A life is dated by the start that followed it: when it ended, nobody wrote down.
    later = [boot.began for boot in facts.boots]
    for following, boot in zip(later, facts.boots[1:], strict=False):
        if boot.clean is False and following >= oldest:
            yield Sight(
                "reboot",
                "The host went down without being told to: a crash, a power cut, or fencing.",
                f"wtmp: started {_told(boot.began)}, again {_told(following)}, no shutdown between",
                "Look for the cause: the kernel's last words (kdump, pstore), the BMC's event log, the cluster's fencing history.",
            )


def _told(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def out_of_memory(facts: HostFacts) -> Iterator[Sight]:
    """Programs that the kernel ended."""
    lines = [trouble for trouble in facts.troubles if trouble.kind == "oom"]
    since = facts.machine.oom_kills if facts.machine is not None else None
    if lines or since:
        evidence = "; ".join(f"{t.count} by {t.source}: {t.example}" for t in lines)
        counted = f"/proc/vmstat oom_kill {since}" if since else ""
        yield Sight(
            "memory",
            "The kernel ended programs for want of memory.",
            "; ".join(text for text in (evidence, counted) if text),
            "Give memory, or bound the program that takes it (MemoryMax= of its unit).",
        )
    elif not facts.log_source:
        yield _no_log(
            facts, "Whether programs died for want of memory before this start is unknown."
        )


def hardware(facts: HostFacts) -> Iterator[Sight]:
    """Hardware that complains in the kernel's log."""
    for trouble in facts.troubles:
        if trouble.kind == "hardware":
            yield Sight(
                trouble.source,
                f"The kernel logged {trouble.count} hardware error{'s' if trouble.count > 1 else ''} in {facts.since_days} days.",
                trouble.example,
                "Find the device in the log and replace it before it fails altogether.",
            )
    if not facts.log_source:
        yield _no_log(facts, "Whether hardware had errors is unknown.")


def flapping(facts: HostFacts) -> Iterator[Sight]:
    """Links that went down."""
    for trouble in facts.troubles:
        if trouble.kind == "link":
            yield Sight(
                trouble.source,
                f"Links went down {trouble.count} times in {facts.since_days} days.",
                trouble.example,
                "Check cable, transceiver and switch.",
            )


def log_errors(facts: HostFacts) -> Iterator[Sight]:
    """Other errors of the log, in one sentence."""
    errors = [trouble for trouble in facts.troubles if trouble.kind == "error"]
    if errors:
        most = ", ".join(f"{t.source} {t.count}" for t in errors[:5])
        total = sum(t.count for t in errors)
        yield Sight(
            "log",
            f"{total} lines of priority error in {facts.since_days} days.",
            f"{facts.log_source or 'log'}: {most}",
            _READ.get(facts.log_source, "Read them."),
        )


_READ: Final = {
    "journal": "Read them: journalctl -p err.",
    "syslog": "Read them in /var/log.",
    "kernel ring": "Read them: dmesg --level=err.",
}


def _no_log(facts: HostFacts, sentence: str) -> Sight:
    return open_question(
        "log", sentence, why_unread(facts, "log", "journal", "ring"), "Run the audit as root."
    )


def failed_units(facts: HostFacts) -> Iterator[Sight]:
    """Services that failed."""
    for unit in facts.units:
        if unit.state == "failed":
            yield Sight(
                unit.name,
                f"{unit.name} has failed.",
                f"systemd: {unit.name} failed ({unit.description})",
                f"See `systemctl status {unit.name}`; let a cluster or Restart= bring it back.",
            )


def started_twice(facts: HostFacts) -> Iterator[Sight]:
    """A service of the cluster's that the system starts too."""
    if facts.managed is None or not facts.managed.cib_read:
        if clustered(facts):
            yield open_question(
                "services",
                "Whether the system starts what the cluster manages is unknown.",
                why_unread(facts, "cib", "CIB"),
                "Run the audit as root on a node.",
            )
        return
    for unit in facts.units:
        if unit.name.removesuffix(".service") in facts.managed.units and unit.enabled == "enabled":
            yield Sight(
                unit.name,
                f"{unit.name} starts at boot and by the cluster: it may run on two nodes at once.",
                f"{unit.manager}: enabled; CIB: a primitive of it",
                f"systemctl disable {unit.name}"
                if unit.manager == "systemd"
                else f"Remove {unit.name} from the runlevels.",
            )


RULES: Final = (
    Rule("psu-single", "power", WARNING, True, "One power supply", single_supply),
    Rule(
        "psu-failed", "power", ERROR, False, "A power supply that does not deliver", failed_supply
    ),
    Rule("host-single", "compute", WARNING, True, "No cluster runs here", one_host),
    Rule(
        "instance-single", "application", WARNING, True, "A server program on its own", one_instance
    ),
    Rule(
        "hypervisor-single", "compute", WARNING, True, "A guest of one hypervisor", one_hypervisor
    ),
    Rule("container", "compute", INFO, False, "Seen from inside a container", container),
    Rule("memory-errors", "compute", WARNING, False, "Memory that errs", memory),
    Rule("hardware-errors", "compute", ERROR, False, "Hardware errors in the log", hardware),
    Rule(
        "out-of-memory",
        "compute",
        WARNING,
        False,
        "Programs ended for want of memory",
        out_of_memory,
    ),
    Rule("reboot-unclean", "compute", WARNING, False, "The host went down without a word", unclean),
    Rule("watchdog", "cluster", WARNING, False, "No watchdog, or softdog alone", watchdog),
    Rule("clock", "other", WARNING, False, "A clock that nobody sets", unsynchronised),
    Rule("time-source-single", "other", WARNING, True, "One source of time", single_time_source),
    Rule("swap", "compute", INFO, False, "Swap", swap),
    Rule("log-volatile", "other", WARNING, False, "A log in memory", volatile_log),
    Rule("log-errors", "other", INFO, False, "Other errors in the log", log_errors),
    Rule("link-flaps", "network", WARNING, False, "Links that went down", flapping),
    Rule("unit-failed", "application", WARNING, False, "A service that failed", failed_units),
    Rule(
        "unit-managed",
        "cluster",
        ERROR,
        False,
        "The system starts what the cluster manages",
        started_twice,
    ),
)
