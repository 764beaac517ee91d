"""Several hosts in one audit: what they share, and the model of what was found."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ninefold.core.findings import Severity
from ninefold.design.audit.facts import Audit, Disk, HostFacts, Link, Mount, Names, Raid, Route
from ninefold.design.audit.judge import audit
from ninefold.design.audit.shared import commons
from ninefold.design.audit.sketch import Sketch, name_of, quoted
from ninefold.design.audit.to_model import to_model
from ninefold.design.load import load_text
from ninefold.design.model import AtLeast, Infrastructure, Use
from tests.audit_hosts import (
    BOND,
    BOND_LINK,
    CARDS,
    ROOT,
    disk,
    guest,
    sound,
    with_bond,
    with_machine,
)


def shared(*hosts: HostFacts) -> list[tuple[str, str, str]]:
    return [
        (judgement.code, judgement.subject, judgement.host)
        for judgement in audit(hosts).judgements
        if judgement.code.startswith("shared-")
    ]


def pair(**changes: Any) -> tuple[HostFacts, HostFacts]:
    return sound(**changes), sound(host="beta", **changes)


def model(*hosts: HostFacts) -> Infrastructure:
    found, findings = load_text(to_model(audit(hosts)))
    assert [f for f in findings if f.severity is Severity.ERROR] == []
    assert found is not None
    return found


def test_sound_pair_shares_nothing_single() -> None:
    assert shared(*pair()) == []


def test_one_gateway_of_two_hosts() -> None:
    plain = {"routes": (Route("default", "10.0.0.1", "bond0", 0, gateway_mac="52:54:00:00:00:aa"),)}

    assert shared(*pair(**plain)) == [("shared-router", "10.0.0.1", "alpha, beta")]


def test_gateways_of_one_address_on_two_wires_are_two() -> None:
    def behind(mac: str) -> tuple[Route, ...]:
        return (Route("default", "10.0.0.1", "bond0", 0, gateway_mac=mac),)

    hosts = (
        sound(routes=behind("52:54:00:00:00:aa")),
        sound(host="beta", routes=behind("52:54:00:00:00:bb")),
    )

    assert shared(*hosts) == []
    routers = [part.name for part in model(*hosts).parts.values() if part.kind == "router"]
    assert routers == [
        "gateway-10.0.0.1-at-52-54-00-00-00-aa",
        "gateway-10.0.0.1-at-52-54-00-00-00-bb",
    ]


def test_one_resolver_of_two_hosts() -> None:
    assert shared(*pair(names=Names("x", ("10.0.0.53",), (), {}))) == [
        ("shared-dns-server", "10.0.0.53", "alpha, beta")
    ]


def test_own_resolver_of_each_host_is_none_in_common() -> None:
    assert shared(*pair(names=Names("x", ("127.0.0.1",), (), {}))) == []


def test_one_file_server_of_two_hosts() -> None:
    nfs = Mount("filer:/srv", "/srv", "nfs4", "rw", network=True)

    found = pair(mounts=(ROOT, nfs))

    assert shared(*found) == [("shared-nfs-server", "filer", "alpha, beta")]
    assert Use("files-filer") in [
        msgspec.structs.replace(use, place=Use("").place)
        for part in model(*found).parts.values()
        if part.name == "beta"
        for use in part.needs.of  # type: ignore[union-attr]
        if isinstance(use, Use)
    ]


def test_one_switch_by_the_macs_of_lacp_partners() -> None:
    cards = tuple(msgspec.structs.replace(one, switch="") for one in CARDS)
    lacp = with_bond(mode="802.3ad", lacp_partner="00:1b:21:aa:bb:cc", lacp_seen=True)

    found = pair(links=(BOND_LINK, *cards), **lacp)

    assert shared(*found) == [("shared-switch", "00:1b:21:aa:bb:cc", "alpha, beta")]
    assert "switch-00-1b-21-aa-bb-cc" in model(*found).parts


def test_guests_of_one_hypervisor() -> None:
    told = with_machine(virtualisation="microsoft", hypervisor="hv1")

    found = (guest(**told), guest(host="beta", **told))

    assert ("shared-hypervisor", "hv1", "alpha, beta") in shared(*found)
    parts = model(*found).parts
    assert (parts["alpha"].inside, parts["beta"].inside) == (("hypervisor-hv1",),) * 2


def test_guests_that_cannot_know_whether_they_share_a_machine() -> None:
    found = [
        (judgement.host, judgement.unknown, judgement.spof)
        for judgement in audit((guest(), guest(host="beta"), sound(host="gamma"))).judgements
        if judgement.code == "shared-hypervisor"
    ]

    assert found == [("alpha, beta", True, False)]


def test_blades_of_one_chassis_but_not_machines_with_their_own() -> None:
    alpha = sound(**with_machine(serial="S1", chassis_serial="CH"))
    beta = sound(host="beta", **with_machine(serial="S2", chassis_serial="CH"))

    assert shared(alpha, beta) == [("shared-rack", "CH", "alpha, beta")]
    assert shared(*pair(**with_machine(serial="S", chassis_serial="S"))) == []


def test_of_a_host_that_was_seen_twice_the_later_look_counts() -> None:
    late = sound(at=sound().at + 60, log_persistent=False)

    found = audit([late, sound()])

    assert [facts.at for facts in found.hosts] == [late.at]
    assert "log-volatile" in [judgement.code for judgement in found.judgements]


def test_audit_is_the_same_after_a_way_through_json() -> None:
    found = audit(pair())

    again = msgspec.json.decode(msgspec.json.encode(found), type=Audit)

    assert again == found
    assert audit(again.hosts) == found


def test_model_of_a_pair_has_group_arrays_and_what_both_share() -> None:
    found = model(*pair(daemons=("corosync", "postgres")))

    assert found.groups["cluster"].nodes == ("alpha", "beta")
    assert list(found.services) == ["postgres-of-cluster"]
    assert found.parts["alpha-md0"].kind == "raid"
    assert found.parts["alpha-md0"].needs == AtLeast(
        1,
        (Use("alpha-sda", place(found, "alpha-md0")), Use("alpha-sdb", place(found, "alpha-md0"))),
    )
    assert found.parts["alpha-bond0"].kind == "bond"
    assert [name for name, part in found.parts.items() if part.kind == "psu"] == [
        "alpha-psu1",
        "alpha-psu2",
        "beta-psu1",
        "beta-psu2",
    ]
    assert [name for name, part in found.parts.items() if part.kind == "switch"] == [
        "switch-sw-a",
        "switch-sw-b",
    ]


def place(found: Infrastructure, name: str) -> Any:
    need = found.parts[name].needs
    assert isinstance(need, AtLeast)
    (first, *_) = need.of
    assert isinstance(first, Use)
    return first.place


def test_member_that_was_not_audited_is_a_node_without_more() -> None:
    found = model(sound())

    assert found.groups["cluster"].nodes == ("alpha", "beta")
    assert (found.parts["beta"].kind, found.parts["beta"].inside) == ("node", ())


def test_services_of_hosts_without_a_cluster_are_no_replicas_of_each_other() -> None:
    found = model(*pair(daemons=("nginx",), managed=None))

    assert list(found.services) == ["nginx-on-alpha", "nginx-on-beta"]
    assert found.parts["alpha-nginx"].kind == "web-server"


@pytest.mark.parametrize(
    ("level", "members", "needed"),
    [("raid1", 3, 1), ("raid5", 4, 3), ("raid6", 5, 3), ("raid10", 4, 3), ("raid0", 2, 2)],
)
def test_members_that_an_array_needs(level: str, members: int, needed: int) -> None:
    names = [f"sd{letter}" for letter in "abcdef"[:members]]
    disks = (*(disk(name) for name in names), disk("md0", kind="raid", mounts=("/",)))
    raid = Raid("md0", level, members, members, tuple(names), (), (), "clean")

    need = model(sound(disks=disks, raids=(raid,))).parts["alpha-md0"].needs

    if needed == members:
        assert len(need.of) == members  # type: ignore[union-attr]
    else:
        assert isinstance(need, AtLeast)
        assert (need.k, len(need.of)) == (needed, members)


def test_evidence_stands_above_each_entry() -> None:
    text = to_model(audit([sound()]))

    assert "  # IPMI entity 10.1\n  alpha-psu1:\n    kind: psu\n" in text
    assert "  # bond0: mode active-backup, miimon 100, slaves eth0, eth1\n  alpha-bond0:" in text


def test_texts_of_a_host_cannot_break_out_of_a_comment_or_a_name() -> None:
    evil = "x\nparts: {}\n# "
    machine = with_machine(product=evil)
    found = model(sound(host=evil, names=Names(evil, (evil,), (), {}), **machine))

    assert len(found.parts) > 3


def test_hosts_named_like_groups_and_words() -> None:
    found = model(sound(host="cluster"), sound(host="no"), sound(host="123"))

    assert {"cluster", "no", "123"} <= set(found.parts)
    assert list(found.groups) == ["cluster-2"]


def test_names_and_scalars() -> None:
    assert [name_of(t) for t in ("a b", "fd00::1", "--", "é")] == [
        "a-b",
        "fd00--1",
        "unnamed",
        "unnamed",
    ]
    assert [quoted(t) for t in ("a-b", "no", "1", "")] == ["a-b", '"no"', '"1"', '""']
    sketch = Sketch()
    assert sketch.part("a", "nic").name == sketch.part("a", "nic").name == "a"
    assert sketch.part("a", "psu").name == "a-2"


TEXT = st.text(max_size=6)
FACTS = st.builds(
    sound,
    host=TEXT,
    routes=st.lists(
        st.builds(
            Route,
            target=st.just("default"),
            gateway=TEXT,
            link=st.sampled_from(["bond0", "eth9"]),
            metric=st.just(0),
            gateway_mac=TEXT,
        ),
        max_size=3,
    ).map(tuple),
    links=st.lists(
        st.builds(
            lambda name, master, switch: Link(name, "", True, True, "m", 1500, None, "d", "b", master, addresses=("10.1.0.1/24",), switch=switch),
            st.sampled_from(["eth0", "eth1", "eth9"]), st.sampled_from(["", "bond0"]), TEXT,
        ),
        max_size=4,
    ).map(lambda links: (BOND_LINK, *links)),
    bonds=st.sampled_from([(), (BOND,)]),
    disks=st.lists(
        st.builds(
            lambda name, kind, parents: disk(name, kind=kind, parents=tuple(parents), mounts=("/",)),
            st.sampled_from(["sda", "sdb", "md0"]),
            st.sampled_from(["disk", "raid", "multipath", "partition"]),
            st.lists(st.sampled_from(["sda", "sdb", "md0"]), max_size=2),
        ),
        max_size=4,
    ).map(tuple),
    daemons=st.lists(st.sampled_from(["nginx", "postgres", "corosync"]), unique=True).map(tuple),
)  # fmt: skip


@settings(max_examples=30)
@given(st.lists(FACTS, min_size=1, max_size=3))
def test_model_of_whatever_was_found_can_be_used(hosts: list[HostFacts]) -> None:
    found, findings = load_text(to_model(audit(hosts)))

    assert [str(f) for f in findings if f.severity is Severity.ERROR] == []
    assert found is not None
    assert {host.host for common in commons(hosts) for host in hosts} >= {
        name for common in commons(hosts) for name in common.hosts
    }


def test_empty_host_makes_a_model_too() -> None:
    found = model(HostFacts("bare", 0, as_root=False))

    assert list(found.services) == ["service-of-bare"]


def test_disk_far_away_is_an_array() -> None:
    far: tuple[Disk, ...] = (disk("sdc", transport="fc", mounts=("/",)),)

    assert model(sound(disks=far, raids=())).parts["alpha-sdc"].kind == "array"


def test_mirror_of_lvm_is_an_array_of_its_images() -> None:
    def image(number: int, what: str, below: str) -> Disk:
        return disk(f"dm-{number}", kind="lvm", label=f"vg-root_{what}", parents=(below,))

    images = (image(1, "rimage_0", "sda"), image(2, "rimage_1", "sdb"), image(3, "rmeta_0", "sda"))
    top = disk("dm-0", kind="lvm", label="vg-root", parents=("dm-1", "dm-2", "dm-3"), mounts=("/",))

    parts = model(sound(disks=(disk("sda"), disk("sdb"), *images, top), raids=())).parts

    need = parts["alpha-vg-root"].needs
    assert isinstance(need, AtLeast)
    assert (need.k, len(need.of)) == (1, 2)


def test_member_on_two_disks_is_not_counted_twice() -> None:
    joined = disk("dm-7", kind="lvm", label="vg-both", parents=("sdb", "sdc"))
    disks = (disk("sda"), disk("sdb"), disk("sdc"), joined, disk("md0", kind="raid", mounts=("/",)))
    raid = Raid("md0", "raid1", 2, 2, ("sda", "dm-7"), (), (), "clean")

    need = model(sound(disks=disks, raids=(raid,))).parts["alpha-md0"].needs

    assert not isinstance(need, AtLeast)
    assert len(need.of) == 3  # type: ignore[union-attr]
