"""What the host is made of: processor, memory, firmware's names, virtualisation, watchdogs, power."""

from __future__ import annotations

import csv
import platform
from typing import TYPE_CHECKING, Final

from ninefold.design.audit.facts import Machine, PowerSupply, Watchdog

if TYPE_CHECKING:
    from ninefold.design.audit.source import Source

# What the firmware of a virtual machine calls itself.
_VENDORS: Final = (
    ("QEMU", "qemu"),
    ("KVM", "kvm"),
    ("VMware", "vmware"),
    ("VirtualBox", "oracle"),
    ("innotek", "oracle"),
    ("Xen", "xen"),
    ("Microsoft Corporation", "microsoft"),
    ("Amazon EC2", "amazon"),
    ("Google", "google"),
    ("OpenStack", "kvm"),
    ("Parallels", "parallels"),
)


def machine(source: Source) -> Machine:
    """Return what the host is made of."""
    release = {
        key: value.strip('"')
        for key, eq, value in (
            line.partition("=") for line in (source.text("/etc/os-release") or "").splitlines()
        )
        if eq
    }
    memory = _meminfo(source)
    vendor = source.line("/sys/class/dmi/id/sys_vendor")
    product = source.line("/sys/class/dmi/id/product_name")
    cpu = source.text("/proc/cpuinfo") or ""
    kernel = source.line("/proc/sys/kernel/osrelease")
    return Machine(
        platform.machine() if source.real else "",
        kernel,
        release.get("PRETTY_NAME", ""),
        sum(line.startswith("processor") for line in cpu.splitlines()),
        memory.get("MemTotal", 0) // 1024,
        memory.get("SwapTotal", 0) // 1024,
        vendor,
        product,
        _virtualisation(source, vendor, product, cpu),
        _container(source),
        _ecc_errors(source, ("ce_count", "ue_count")),
        _ecc_errors(source, ("ue_count",)),
        _firmware(source, "product_serial"),
        _firmware(source, "chassis_serial"),
        _hyperv_host(source),
        _oom_kills(source),
    )


# What vendors write where a number should stand.
_NO_SERIAL: Final = frozenset(
    {
        "",
        "0",
        "none",
        "not specified",
        "default string",
        "to be filled by o.e.m.",
        "system serial number",
    }
)


def _firmware(source: Source, name: str) -> str:
    """Return a serial number of the firmware's table; it is root's to read."""
    text = source.line(f"/sys/class/dmi/id/{name}")
    return "" if text.lower() in _NO_SERIAL else text


def _hyperv_host(source: Source) -> str:
    """Return the name of the Hyper-V host below: the only hypervisor that tells it to its guests.

    The pool that the host fills is a file of records: 512 bytes of name, 2048 of value.
    """
    pool = source.content("/var/lib/hyperv/.kvp_pool_3") or b""
    for at in range(0, len(pool) - 2559, 2560):
        if pool[at : at + 512].rstrip(b"\0") == b"PhysicalHostNameFullyQualified":
            return pool[at + 512 : at + 2560].rstrip(b"\0").decode(errors="replace")
    return ""


def _oom_kills(source: Source) -> int | None:
    for line in (source.text("/proc/vmstat") or "").splitlines():
        name, _, value = line.partition(" ")
        if name == "oom_kill" and value.isdigit() and len(value) < 20:
            return int(value)
    return None


def _meminfo(source: Source) -> dict[str, int]:
    found = {}
    for line in (source.text("/proc/meminfo") or "").splitlines():
        words = line.split()
        if len(words) > 1 and words[1].isdigit():
            found[words[0].rstrip(":")] = int(words[1])
    return found


def _virtualisation(source: Source, vendor: str, product: str, cpu: str) -> str:
    if "bare metal" in product.lower() or product.endswith(".metal"):
        return ""
    for mark, name in _VENDORS:
        if mark in vendor or mark in product:
            return name
    if source.line("/sys/hypervisor/type"):
        return source.line("/sys/hypervisor/type")
    flags = next((line for line in cpu.splitlines() if line.startswith("flags")), "")
    return "unknown hypervisor" if " hypervisor" in flags else ""


def _container(source: Source) -> str:
    told = source.line("/run/systemd/container")
    if told:
        return told
    for mark, name in (("/.dockerenv", "docker"), ("/run/.containerenv", "podman")):
        if source.exists(mark):
            return name
    return ""


def _ecc_errors(source: Source, kinds: tuple[str, ...]) -> int | None:
    """Return errors of these kinds of all memory controllers; `None` without EDAC."""
    base = "/sys/devices/system/edac/mc"
    counts = [
        source.number(f"{base}/{controller}/{kind}")
        for controller in source.entries(base)
        if controller.startswith("mc")
        for kind in kinds
    ]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def watchdogs(source: Source) -> tuple[Watchdog, ...]:
    """Return the watchdog devices, by sysfs alone: opening one would arm it."""
    if not source.exists("/sys/class/watchdog"):
        # The kernel was built without that page of sysfs, or there is no sysfs here.
        if source.exists("/dev/watchdog"):
            return (Watchdog("/dev/watchdog", "", None, None),)
        if not source.exists("/sys/class"):
            source.note("watchdogs", "there is no /sys here")
        return ()
    rows = []
    for name in source.entries("/sys/class/watchdog"):
        base = f"/sys/class/watchdog/{name}"
        state = source.line(f"{base}/state")
        rows.append(
            Watchdog(
                f"/dev/{name}",
                _watchdog_driver(source, base),
                source.number(f"{base}/timeout"),
                None if not state else state == "active",
            )
        )
    return tuple(rows)


def _watchdog_driver(source: Source, base: str) -> str:
    """Return the driver's name; what the device calls itself where it hangs on no bus."""
    identity = source.line(f"{base}/identity")
    if identity == "Software Watchdog":
        return "softdog"
    return source.link(f"{base}/device/driver").rpartition("/")[2] or identity


def power_supplies(source: Source) -> tuple[PowerSupply, ...]:
    """Return power supplies: by IPMI where there is a BMC and its tool, else what sysfs shows."""
    rows = []
    for name in source.entries("/sys/class/power_supply"):
        base = f"/sys/class/power_supply/{name}"
        if source.line(f"{base}/type") not in ("Mains", "UPS"):
            continue
        online = source.number(f"{base}/online")
        state = {1: "online", 0: "offline"}.get(-1 if online is None else online, "unknown")
        rows.append(PowerSupply(name, None if online is None else online == 1, state, "sysfs"))
    if source.exists("/dev/ipmi0") or source.exists("/dev/ipmi/0"):
        report = source.run("ipmitool", "-c", "sdr", "type", "Power Supply")
        rows += ipmi(report.decode(errors="replace")) if report is not None else []
    elif not rows:
        why = "no BMC is visible to the system (no /dev/ipmi0), and the kernel knows of none"
        source.note("power supplies", why, "load ipmi_si and ipmi_devintf, or look at the machine")
    return tuple(rows)


def ipmi(text: str) -> list[PowerSupply]:
    """Return what `ipmitool -c sdr type "Power Supply"` tells: name, number, state, ..., what."""
    rows = []
    for row in csv.reader(text.splitlines()):
        if len(row) < 3 or not row[0].strip():
            continue
        state, said = row[2].strip(), row[-1].strip()
        bad = any(mark in said.lower() for mark in ("fail", "lost", "predictive", "off-line"))
        ok = None if state in ("ns", "na", "") else state == "ok" and not bad
        entity = row[3].strip() if len(row) > 4 else ""
        rows.append(PowerSupply(row[0].strip(), ok, said or state, "ipmi", entity))
    return rows
