"""Every rule of the audit: when it fires, when it does not, and when it says that it cannot know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.design.audit.collect import collect
from ninefold.design.audit.facts import (
    Boot,
    Drbd,
    HostFacts,
    Link,
    Managed,
    Mount,
    Multipath,
    Names,
    Planned,
    PowerSupply,
    Raid,
    Route,
    TimeSync,
    Trouble,
    Unit,
    Unread,
    Watchdog,
)
from ninefold.design.audit.judge import RULES, judge
from ninefold.design.audit.rules_storage import file_server
from ninefold.design.audit.wiring import alone_below, hardware_of
from tests.audit_hosts import (
    BOND_LINK,
    CARDS,
    DAY,
    NOW,
    RAID,
    ROOT,
    card,
    disk,
    guest,
    sound,
    with_bond,
    with_machine,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ninefold.design.audit.facts import Judgement


def found(facts: HostFacts, code: str) -> list[Judgement]:
    return [judgement for judgement in judge(facts) if judgement.code == code]


# What no host can see of itself; a sound one leaves these questions open and no other.
ALWAYS_OPEN = ["psu-single", "internet-line"]


def test_sound_host_leaves_only_open_what_no_host_can_see() -> None:
    assert [(j.code, j.unknown) for j in judge(sound())] == [(code, True) for code in ALWAYS_OPEN]


LACP = {"mode": "802.3ad", "lacp_seen": True, "lacp_partner": "00:1b:21:aa:bb:cc"}
ALONE = {"daemons": (), "managed": None}
ETH9 = Link(
    "eth9", "", True, True, "m", 1500, 1000, "igb", "0000:09:00.0", addresses=("10.9.0.1/24",)
)
NFS = Mount("filer:/srv", "/srv", "nfs4", "rw,hard", network=True)
FC = disk("sdc", transport="fc", controller="qla2xxx", mounts=("/data",))
ON_FC = {
    "disks": (FC,),
    "raids": (),
    "mounts": (Mount("/dev/sdc", "/data", "ext4", "rw", network=False),),
}


def trouble(kind: str) -> dict[str, Any]:
    return {"troubles": (Trouble(kind, 2, NOW - 5, "kernel", "the line"),)}


def names(**hosts: tuple[str, ...]) -> dict[str, Any]:
    told = {address.replace("_", "."): told for address, told in hosts.items()}
    return {"names": Names("alpha.example.org", ("10.0.0.53", "10.0.1.53"), (), told)}


def resolvers(*addresses: str) -> dict[str, Any]:
    return {"names": Names("alpha", addresses, (), {})}


FIRES: list[tuple[str, dict[str, Any], str, bool]] = [
    ("psu-single", {"power": (PowerSupply("PS1", True, "ok", "ipmi", "10.1"),)}, "warning", True),
    ("psu-failed", {"power": (PowerSupply("PS2", False, "AC lost", "ipmi"),)}, "error", False),
    ("host-single", ALONE, "warning", True),
    ("instance-single", {**ALONE, "daemons": ("postgres",)}, "warning", True),
    ("hypervisor-single", with_machine(virtualisation="kvm"), "warning", True),
    ("container", with_machine(container="docker"), "info", False),
    ("memory-errors", with_machine(ecc_errors=3), "warning", False),
    ("memory-errors", with_machine(ecc_errors=3, ecc_uncorrected=1), "error", False),
    ("hardware-errors", trouble("hardware"), "error", False),
    ("out-of-memory", trouble("oom"), "warning", False),
    ("out-of-memory", with_machine(oom_kills=2), "warning", False),
    (
        "reboot-unclean",
        {"boots": (Boot(NOW - DAY, None, None), Boot(NOW - 40 * DAY, None, clean=False))},
        "warning",
        False,
    ),
    ("watchdog", {"watchdogs": ()}, "warning", False),
    ("watchdog", {"watchdogs": (), **ALONE}, "info", False),
    (
        "watchdog",
        {"watchdogs": (Watchdog("/dev/watchdog0", "softdog", 60, None),)},
        "warning",
        False,
    ),
    ("clock", {"time": TimeSync("", False, ("pool x",))}, "error", False),
    ("clock", {"time": TimeSync("", False, ("pool x",)), **ALONE}, "warning", False),
    ("time-source-single", {"time": TimeSync("ntp", True, ("server a",))}, "warning", True),
    ("swap", with_machine(swap_mib=2048), "warning", False),
    ("swap", {**with_machine(swap_mib=2048), **ALONE}, "info", False),
    ("log-volatile", {"log_persistent": False}, "warning", False),
    ("log-errors", trouble("error"), "info", False),
    ("link-flaps", trouble("link"), "warning", False),
    ("unit-failed", {"units": (Unit("a.service", "failed"),)}, "warning", False),
    ("unit-managed", {"units": (Unit("nginx.service", "running", "enabled"),)}, "error", False),
    ("nic-single", {"links": (BOND_LINK, *CARDS, ETH9)}, "warning", True),
    (
        "nic-single",
        {"links": (*CARDS, ETH9, Link("v7", "vlan", True, True, "m", 1500, None, "", "", parent="eth9", addresses=("10.7.0.1/24",), virtual=True))},
        "warning",
        True,
    ),
    (
        "nic-same-board",
        {"links": (BOND_LINK, card("eth0", "0000:03:00.0", "a"), card("eth1", "0000:03:00.1", "b"))},
        "warning",
        True,
    ),
    (
        "nic-no-carrier",
        {"links": (BOND_LINK, CARDS[0], msgspec.structs.replace(CARDS[1], carrier=False))},
        "warning",
        False,
    ),
    (
        "switch-single",
        {"links": (BOND_LINK, CARDS[0], msgspec.structs.replace(CARDS[1], switch="sw-a"))},
        "warning",
        True,
    ),
    (
        "gateway-single",
        {"routes": (Route("default", "10.0.0.1", "bond0", 0, gateway_mac="52:54:00:11:22:33"),)},
        "warning",
        True,
    ),
    ("gateway-single", {"routes": (Route("default", "10.0.0.1", "bond0", 0),)}, "warning", True),
    (
        "address-dynamic",
        {"links": (msgspec.structs.replace(BOND_LINK, dynamic=("10.0.0.2/24",)), *CARDS)},
        "warning",
        False,
    ),
    ("resolver-single", resolvers("10.0.0.53"), "warning", True),
    ("own-name-loopback", names(**{"127_0_1_1": ("alpha",)}), "error", False),
    ("own-name-loopback", {**names(**{"127_0_1_1": ("alpha",)}), **ALONE}, "warning", False),
    ("own-name-loopback", names(**{"127_0_0_1": ("localhost", "alpha.example.org")}), "error", False),
    ("bond-unmonitored", with_bond(miimon_ms=0), "error", False),
    ("bond-slave-down", with_bond(slaves_up=("eth0",)), "error", False),
    ("bond-single-slave", with_bond(slaves=("eth0",), slaves_up=("eth0",)), "warning", True),
    ("bond-no-partner", with_bond(mode="802.3ad", lacp_seen=True), "error", False),
    ("bond-split", with_bond(**LACP, aggregators={"eth0": "1", "eth1": "2"}), "error", False),
    ("bond-slow-lacp", with_bond(**LACP, lacp_rate="slow"), "warning", False),
    ("bond-static", with_bond(mode="balance-rr"), "info", False),
    (
        "disk-single",
        {"disks": (disk("sda"), disk("sda1", kind="partition", parents=("sda",), mounts=("/",)))},
        "warning",
        True,
    ),
    (
        "raid-degraded",
        {"raids": (Raid("md0", "raid1", 2, 1, ("sda", "sdb"), ("sdb",), (), "clean", 40.0),)},
        "error",
        False,
    ),
    ("raid-degraded", {"raids": (RAID, Raid("tank", "zfs", 0, 0, (), (), (), "FAULTED"))}, "error", False),
    (
        "raid-striped",
        {"raids": (RAID, Raid("md1", "raid0", 2, 2, ("sdc", "sdd"), (), (), "clean"))},
        "warning",
        True,
    ),
    ("path-failed", {"multipaths": (Multipath("m", ("sdc", "sdd"), ("sdc",), "0"),)}, "error", False),
    ("path-single", {"multipaths": (Multipath("m", ("sdc",), ("sdc",), "0"),)}, "warning", True),
    ("path-single", ON_FC, "warning", True),
    (
        "path-queueing",
        {"multipaths": (Multipath("m", ("c", "d"), ("c", "d"), "1 queue_if_no_path"),)},
        "warning",
        False,
    ),
    ("file-server-single", {"mounts": (ROOT, NFS)}, "warning", True),
    ("drbd-alone", {"drbd": (Drbd("r0", "Primary", "UpToDate", "StandAlone", ()),)}, "error", False),
    ("drbd-alone", {"drbd": (Drbd("r0", "Primary", "Inconsistent", "Connected", ("b",)),)}, "error", False),
    (
        "mount-read-only",
        {
            "mounts": (Mount("/dev/md0", "/", "ext4", "ro,relatime", network=False),),
            "planned": (Planned("/dev/md0", "/", "ext4", "errors=remount-ro"),),
        },
        "error",
        False,
    ),
    ("fstab-managed", {"planned": (Planned("/dev/drbd0", "/srv", "ext4", "defaults"),)}, "error", False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "changes", "severity", "spof"), FIRES, ids=[f"{i}-{f[0]}" for i, f in enumerate(FIRES)]
)
def test_rule_fires(code: str, changes: dict[str, Any], severity: str, spof: bool) -> None:
    sights = [j for j in found(sound(**changes), code) if not j.unknown]

    assert [(j.severity, j.spof) for j in sights] == [(severity, spof)]
    (sight,) = sights
    for text in (sight.subject, sight.sentence, sight.evidence, sight.mitigation):
        assert text.strip()
    assert sight.sentence.endswith(".")
    assert sight.mitigation.endswith((".", "nginx.service"))


QUIET: list[tuple[str, dict[str, Any]]] = [
    ("psu-single", {}),
    ("psu-failed", {"power": (PowerSupply("PS1", None, "no reading", "ipmi"),)}),
    ("host-single", {"daemons": (), "units": (Unit("corosync.service", "running"),)}),
    ("host-single", {"daemons": ("keepalived",)}),
    ("instance-single", {"daemons": ("corosync", "postgres")}),
    ("hypervisor-single", {}),
    ("memory-errors", {}),
    ("hardware-errors", trouble("error")),
    ("out-of-memory", trouble("error")),
    (
        "reboot-unclean",
        {"boots": (Boot(NOW - 40 * DAY, None, None), Boot(NOW - 90 * DAY, None, clean=False))},
    ),
    (
        "watchdog",
        {
            "watchdogs": (
                Watchdog("/dev/watchdog0", "softdog", 60, None),
                Watchdog("/dev/watchdog1", "iTCO_wdt", 60, None),
            )
        },
    ),
    ("time-source-single", {"time": TimeSync("ntp", True, ("server a", "server b"))}),
    ("unit-managed", {"units": (Unit("nginx.service", "running", "disabled"),)}),
    ("unit-managed", {"units": (Unit("cron.service", "running", "enabled"),)}),
    ("nic-single", {"links": (BOND_LINK, *CARDS, Link("docker0", "bridge", True, False, "m", 1500, None, "", "", addresses=("172.17.0.1/16",), virtual=True))}),
    ("nic-no-carrier", {"links": (BOND_LINK, CARDS[0], msgspec.structs.replace(CARDS[1], up=False, carrier=False))}),
    ("gateway-single", {"routes": (Route("default", "10.0.0.1", "a", 0), Route("default", "10.0.9.1", "b", 9))}),
    ("own-name-loopback", names(**{"127_0_0_1": ("localhost",), "10_0_0_2": ("alpha",)})),
    ("bond-unmonitored", with_bond(miimon_ms=0, arp_interval_ms=200)),
    ("bond-no-partner", with_bond(**LACP)),
    ("bond-split", with_bond(**LACP, aggregators={"eth0": "1", "eth1": "1"})),
    ("bond-split", with_bond(**LACP, slaves_up=("eth0",), aggregators={"eth0": "1", "eth1": "2"})),
    ("bond-slow-lacp", with_bond(**LACP, lacp_rate="fast")),
    ("raid-striped", {"raids": (RAID, Raid("md1", "raid0", 1, 1, ("sdc",), (), (), "clean"))}),
    ("raid-degraded", {"raids": (RAID, Raid("tank", "zfs", 0, 0, (), (), (), "ONLINE"))}),
    ("path-queueing", {"multipaths": (Multipath("m", ("c", "d"), ("c", "d"), "0"),)}),
    ("file-server-single", {"mounts": (ROOT, Mount("a:/v", "/v", "fuse.glusterfs", "rw", network=True))}),
    ("drbd-alone", {"drbd": (Drbd("r0", "Primary", "UpToDate", "Connected", ("b",)),)}),
    ("mount-read-only", {"mounts": (Mount("/dev/md0", "/", "ext4", "ro", network=False),), "planned": (Planned("/dev/md0", "/", "ext4", "ro"),)}),
    ("fstab-managed", {"planned": (Planned("/dev/drbd0", "/srv", "ext4", "noauto,noatime"),)}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "changes"), QUIET, ids=[f"{i}-{q[0]}" for i, q in enumerate(QUIET)]
)
def test_rule_does_not_fire(code: str, changes: dict[str, Any]) -> None:
    sights = found(sound(**changes), code)

    assert [j.sentence for j in sights if not j.unknown] == []
    assert code in ALWAYS_OPEN or sights == []


NO_CIB = {"managed": Managed(("alpha", "beta"), (), (), cib_read=False)}
UNKNOWN: list[tuple[str, dict[str, Any], str]] = [
    ("psu-single", {"power": (), "unread": (Unread("power supplies", "no BMC"),)}, "no BMC"),
    ("host-single", {**ALONE, "unread": (Unread("processes", "/proc shows none"),)}, "shows none"),
    ("hypervisor-single", {"machine": None}, "nothing here tells it"),
    ("memory-errors", with_machine(ecc_errors=None), "no EDAC"),
    ("hardware-errors", {"log_source": "", "unread": (Unread("errors in the log", "no"),)}, "no"),
    ("out-of-memory", {"log_source": ""}, "nothing"),
    ("reboot-unclean", {"boots": (), "unread": (Unread("reboots", "no wtmp"),)}, "no wtmp"),
    ("watchdog", {"watchdogs": (), "unread": (Unread("watchdogs", "no /sys"),)}, "no /sys"),
    ("watchdog", {"watchdogs": (Watchdog("/dev/watchdog", "", None, None),)}, "/dev/watchdog"),
    ("clock", {"time": None}, "nothing"),
    ("clock", {"time": TimeSync("chrony", None, ("pool x",))}, "nothing"),
    ("time-source-single", {"time": TimeSync("chrony", True, ())}, "no server is configured"),
    ("log-volatile", {"log_persistent": None}, "no journal"),
    ("unit-managed", NO_CIB, "nothing"),
    ("fstab-managed", {**NO_CIB, "unread": (Unread("/x/cib.xml", "permission denied"),)}, "denied"),
    ("nic-single", {"links": (), "bonds": ()}, "nothing"),
    ("switch-single", {"links": (BOND_LINK, *(msgspec.structs.replace(c, switch="") for c in CARDS))}, "LLDP"),
    ("gateway-single", {"routes": ()}, "nothing"),
    ("resolver-single", {"names": None}, "nothing"),
    ("resolver-single", resolvers(), "nothing"),
    ("resolver-single", resolvers("127.0.0.1"), "127.0.0.1"),
    ("own-name-loopback", {"names": None}, "nothing"),
    ("bond-no-partner", with_bond(mode="802.3ad"), "administrators"),
    ("disk-single", {"disks": ()}, "nothing"),
    ("disk-single", {"mounts": ()}, "nothing"),
    ("disk-single", {"disks": (disk("sda", controller="megaraid_sas", mounts=("/",)),), "raids": ()}, "megaraid_sas"),
    ("disk-single", {"mounts": (Mount("overlay", "/", "overlay", "rw", network=False),), "disks": (disk("sda"),)}, "overlay"),
    ("disk-single", {"mounts": (Mount("tank/root", "/", "zfs", "rw", network=False),), "disks": (disk("sda"),)}, "tank/root"),
    ("path-queueing", {"multipaths": (Multipath("m", ("c", "d"), ("c", "d")),)}, "nothing"),
    ("array-single", ON_FC, "SSD"),
    ("internet-line", {}, "a host sees its gateway"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "changes", "why"), UNKNOWN, ids=[f"{i}-{u[0]}" for i, u in enumerate(UNKNOWN)]
)
def test_rule_says_what_it_cannot_know(code: str, changes: dict[str, Any], why: str) -> None:
    (sight,) = found(sound(**changes), code)

    assert (sight.unknown, sight.severity, sight.spof) == (True, "info", False)
    assert why in sight.evidence
    assert "unknown" in sight.sentence or "knows" in sight.sentence


# These have no third answer of their own: what they look at is either seen, or another rule says
# that it was not.
NO_THIRD_ANSWER = {
    "psu-failed", "instance-single", "container", "swap", "log-errors", "link-flaps", "unit-failed",
    "nic-same-board", "nic-no-carrier", "address-dynamic", "bond-unmonitored", "bond-slave-down",
    "bond-single-slave", "bond-split", "bond-slow-lacp", "bond-static", "raid-degraded",
    "raid-striped", "path-failed", "path-single", "file-server-single", "drbd-alone",
    "mount-read-only",
}  # fmt: skip
# No host can see into these: they never fire.
ONLY_OPEN = {"internet-line", "array-single"}


def test_every_rule_has_its_cases_here() -> None:
    codes = {rule.code for rule in RULES}

    assert {case[0] for case in FIRES} == codes - ONLY_OPEN
    assert {case[0] for case in UNKNOWN} == codes - NO_THIRD_ANSWER
    assert len(codes) == len(RULES)


def test_guest_is_asked_for_what_a_guest_can_know() -> None:
    told = {(j.code, j.unknown) for j in judge(guest())}

    assert ("hypervisor-single", False) in told
    assert {("nic-single", True), ("disk-single", True)} <= told
    assert not {code for code, _ in told} & {"psu-single", "memory-errors"}


def test_without_any_facts_nothing_is_claimed() -> None:
    facts = HostFacts(
        "nobody",
        NOW,
        as_root=False,
        unread=(Unread("processes", "none"), Unread("watchdogs", "none")),
    )

    assert [j.code for j in judge(facts) if not j.unknown] == []


def test_an_empty_root_yields_only_open_questions(tmp_path: Path) -> None:
    facts = collect(tmp_path, now=NOW)

    assert [(j.code, j.sentence) for j in judge(facts) if not j.unknown] == []


def volume(*suffixes: str) -> HostFacts:
    parents = [
        disk(
            f"dm-{number}",
            kind="lvm",
            label=f"vg-root_{suffix}",
            parents=(f"sd{'ab'[number % 2]}",),
        )
        for number, suffix in enumerate(suffixes, 1)
    ]
    top = disk(
        "dm-0", kind="lvm", label="vg-root", parents=tuple(p.name for p in parents), mounts=("/",)
    )
    return sound(disks=(disk("sda"), disk("sdb"), *parents, top), raids=())


def test_disks_below_lvm_are_alone_unless_the_volume_mirrors_them() -> None:
    def alone(facts: HostFacts) -> list[str]:
        return [one.name for one in alone_below(facts, "dm-0")]

    linear = sound(
        disks=(disk("sda"), disk("sdb"), disk("dm-0", kind="lvm", parents=("sda", "sdb")))
    )

    assert alone(volume("rmeta_0", "rmeta_1", "rimage_0", "rimage_1")) == []
    assert alone(volume("mimage_0", "mimage_1", "mlog")) == []
    assert alone(volume("rimage_0", "rimage_1")) == ["sda", "sdb"]  # striped
    assert alone(linear) == ["sda", "sdb"]


def test_loops_in_the_facts_end() -> None:
    # Everything stands on everything: whoever walked all ways would walk for ever.
    everyone = [f"d{number}" for number in range(40)]
    disks = tuple(disk(name, parents=tuple(everyone)) for name in everyone)
    links = tuple(
        Link(
            name,
            "bridge",
            True,
            True,
            "m",
            1500,
            None,
            "",
            "",
            everyone[i - 1],
            everyone[i - 2],
            virtual=True,
        )
        for i, name in enumerate(everyone)
    )
    facts = sound(disks=disks, links=links, bonds=())

    assert alone_below(facts, "d0") == []
    assert hardware_of(facts, "d0") == []


@pytest.mark.parametrize(
    ("source", "server"),
    [
        ("filer:/srv", "filer"),
        ("[fd00::1]:/srv", "fd00::1"),
        ("//nas/share", "nas"),
        ("10.0.0.9:/a:/b", "10.0.0.9"),
        ("odd", "odd"),
        ("odd:", "odd:"),
    ],
)
def test_file_servers(source: str, server: str) -> None:
    assert file_server(source) == server


TEXT = st.text(max_size=8)
ROUTES = st.builds(
    Route,
    target=st.sampled_from(["default", "10.0.0.0/8"]),
    gateway=TEXT,
    link=TEXT,
    metric=st.integers(0, 9),
    gateway_mac=TEXT,
)
DISKS = st.builds(
    lambda n, k, p, m: disk(n, kind=k, parents=tuple(p), mounts=tuple(m)),
    st.sampled_from("abcd"),
    st.sampled_from(["disk", "lvm", "raid", "multipath"]),
    st.lists(st.sampled_from("abcd"), max_size=3),
    st.lists(st.just("/"), max_size=1),
)


@given(
    routes=st.lists(ROUTES, max_size=4),
    disks=st.lists(DISKS, max_size=5),
    addresses=st.lists(TEXT, max_size=2),
)
def test_odd_facts_are_judged_without_an_exception_and_always_alike(
    routes: list[Route], disks: list[Any], addresses: list[str]
) -> None:
    facts = sound(
        routes=tuple(routes),
        disks=tuple(disks),
        links=(msgspec.structs.replace(BOND_LINK, addresses=tuple(addresses)), *CARDS),
        names=Names("a", tuple(addresses), (), dict.fromkeys(addresses, ("a",))),
    )

    assert judge(facts) == judge(facts)
