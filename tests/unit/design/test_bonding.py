"""A bond's configuration: the book's two forms, the other two, every mode, and what is refused."""

from __future__ import annotations

import io
import shlex
from configparser import ConfigParser
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from ninefold.core.findings import errors
from ninefold.design.bonding import HASHES, Mode, Wish, judge_wish, mode_of
from ninefold.design.bonding_text import FORMATS, ifcfg, netplan, networkd, nmcli

BOOK = Wish(Mode.ACTIVE_BACKUP, primary="eth0")
STATIC = msgspec.structs.replace(
    BOOK,
    addresses=("192.0.2.10/24", "2001:db8::10/64"),
    gateways=("192.0.2.1", "2001:db8::1"),
    dns=("192.0.2.53", "192.0.2.54"),
    mtu=9000,
)


def wish(mode: Mode = Mode.ACTIVE_BACKUP, **more: Any) -> Wish:
    return msgspec.structs.replace(Wish(mode), **more)


def codes(found: Wish) -> list[tuple[str, str]]:
    return [(finding.code, finding.subject) for finding in errors(judge_wish(found))]


def test_the_books_ifcfg_line_to_the_letter() -> None:
    assert 'BONDING_OPTS="mode=active-backup miimon=100 primary=eth0"\n' in ifcfg(BOOK)


def test_the_books_nmcli_options_to_the_letter() -> None:
    second = msgspec.structs.replace(BOOK, primary="eth1")

    assert 'bond.options "mode=active-backup,miimon=100,primary=eth1"' in nmcli(second)


def test_modes_are_the_drivers_by_name_and_number() -> None:
    assert [mode.value for mode in Mode] == [
        "balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb",
    ]  # fmt: skip
    for mode in Mode:
        assert mode_of(mode.value) is mode
        assert mode_of(str(mode.number)) is mode
    assert mode_of("LACP") is None


NMCLI = """\
nmcli connection add type bond \\
    con-name bond0 ifname bond0 \\
    bond.options "mode=active-backup,miimon=100,primary=eth0" \\
    ipv4.method manual ipv4.addresses "192.0.2.10/24" \\
    ipv4.gateway 192.0.2.1 \\
    ipv4.dns "192.0.2.53,192.0.2.54" \\
    ipv6.method manual ipv6.addresses "2001:db8::10/64" \\
    ipv6.gateway 2001:db8::1 \\
    802-3-ethernet.mtu 9000
nmcli connection add type ethernet con-name bond0-eth0 ifname eth0 master bond0
nmcli connection add type ethernet con-name bond0-eth1 ifname eth1 master bond0
nmcli connection up bond0-eth0
nmcli connection up bond0-eth1
"""

IFCFG = """\
# /etc/sysconfig/network-scripts/ifcfg-bond0
DEVICE=bond0
NAME=bond0
TYPE=Bond
BONDING_MASTER=yes
BONDING_OPTS="mode=active-backup miimon=100 primary=eth0"
BOOTPROTO=none
IPADDR=192.0.2.10
PREFIX=24
IPV6INIT=yes
IPV6_AUTOCONF=no
IPV6ADDR=2001:db8::10/64
GATEWAY=192.0.2.1
IPV6_DEFAULTGW=2001:db8::1
DNS1=192.0.2.53
DNS2=192.0.2.54
MTU=9000
ONBOOT=yes

# /etc/sysconfig/network-scripts/ifcfg-eth0
DEVICE=eth0
NAME=bond0-eth0
TYPE=Ethernet
BOOTPROTO=none
MASTER=bond0
SLAVE=yes
ONBOOT=yes

# /etc/sysconfig/network-scripts/ifcfg-eth1
DEVICE=eth1
NAME=bond0-eth1
TYPE=Ethernet
BOOTPROTO=none
MASTER=bond0
SLAVE=yes
ONBOOT=yes
"""

NETPLAN = """\
# /etc/netplan/60-bond0.yaml
network:
  version: 2
  ethernets:
    eth0:
      dhcp4: false
      dhcp6: false
    eth1:
      dhcp4: false
      dhcp6: false
  bonds:
    bond0:
      interfaces: [eth0, eth1]
      parameters:
        mode: active-backup
        mii-monitor-interval: 100
        primary: eth0
      addresses:
        - "192.0.2.10/24"
        - "2001:db8::10/64"
      routes:
        - to: default
          via: "192.0.2.1"
        - to: "::/0"
          via: "2001:db8::1"
      nameservers:
        addresses:
          - "192.0.2.53"
          - "192.0.2.54"
      mtu: 9000
"""

NETWORKD = """\
# /etc/systemd/network/30-bond0.netdev
[NetDev]
Name=bond0
Kind=bond
MTUBytes=9000

[Bond]
Mode=active-backup
MIIMonitorSec=100ms

# /etc/systemd/network/30-bond0-eth0.network
[Match]
Name=eth0

[Network]
Bond=bond0
PrimarySlave=yes

# /etc/systemd/network/30-bond0-eth1.network
[Match]
Name=eth1

[Network]
Bond=bond0

# /etc/systemd/network/40-bond0.network
[Match]
Name=bond0

[Network]
Address=192.0.2.10/24
Address=2001:db8::10/64
Gateway=192.0.2.1
Gateway=2001:db8::1
DNS=192.0.2.53
DNS=192.0.2.54
"""


@pytest.mark.parametrize(
    ("form", "expected"),
    [("nmcli", NMCLI), ("ifcfg", IFCFG), ("netplan", NETPLAN), ("networkd", NETWORKD)],
)
def test_form_in_full(form: str, expected: str) -> None:
    assert FORMATS[form](STATIC) == expected


LACP = wish(Mode.LACP, xmit_hash="layer3+4", updelay_ms=200)
ARP = wish(Mode.ROUND_ROBIN, arp_interval_ms=250, arp_targets=("192.0.2.1", "192.0.2.2"))


def test_lacp_is_fast_unless_somebody_wants_it_slow() -> None:
    options = "mode=802.3ad{0}miimon=100{0}updelay=200{0}lacp_rate=fast{0}xmit_hash_policy=layer3+4"

    assert f'"{options.format(",")}"' in nmcli(LACP)
    assert f'"{options.format(" ")}"' in ifcfg(LACP)
    assert 'mode: "802.3ad"' in netplan(LACP)
    assert "lacp-rate: fast" in netplan(LACP)
    assert "transmit-hash-policy: layer3+4" in netplan(LACP)
    assert "LACPTransmitRate=fast\nTransmitHashPolicy=layer3+4" in networkd(LACP)
    assert "UpDelaySec=200ms" in networkd(LACP)
    assert "lacp_rate=slow" in ifcfg(wish(Mode.LACP, lacp_rate="slow"))


def test_arp_instead_of_miimon() -> None:
    assert "miimon" not in nmcli(ARP)
    # A comma would end the option: NetworkManager takes blanks between targets.
    assert '"mode=balance-rr,arp_interval=250,arp_ip_target=192.0.2.1 192.0.2.2"' in nmcli(ARP)
    assert "arp_ip_target=192.0.2.1,192.0.2.2" in ifcfg(ARP)
    assert "arp-ip-targets: [192.0.2.1, 192.0.2.2]" in netplan(ARP)
    assert "ARPIntervalSec=250ms\nARPIPTargets=192.0.2.1 192.0.2.2" in networkd(ARP)


def test_without_addresses_dhcp_gives_them() -> None:
    assert "ipv4.method" not in nmcli(BOOK)
    assert "BOOTPROTO=dhcp" in ifcfg(BOOK)
    assert "dhcp4: true" in netplan(BOOK)
    assert "DHCP=yes" in networkd(BOOK)


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("form", list(FORMATS))
def test_every_mode_in_every_form(mode: Mode, form: str) -> None:
    found = wish(mode, addresses=("192.0.2.10/24",))

    assert codes(found) == []
    assert mode.value in FORMATS[form](found)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (wish(Mode.LACP, primary="eth0"), [("primary", "primary")]),
        (wish(Mode.ROUND_ROBIN, primary="eth0"), [("primary", "primary")]),
        (wish(Mode.TLB, primary="eth1"), []),
        (wish(Mode.ALB, primary="eth1"), []),
        (wish(primary="eth9"), [("primary", "primary")]),
        (wish(miimon_ms=100, arp_interval_ms=100, arp_targets=("10.0.0.1",)), [("monitor", "arp_interval")]),
        (wish(miimon_ms=0), [("monitor", "miimon")]),
        (wish(arp_interval_ms=100), [("monitor", "arp_ip_target")]),
        (wish(arp_targets=("10.0.0.1",)), [("monitor", "arp_ip_target")]),
        (wish(arp_interval_ms=100, arp_targets=("fd00::1",)), [("address", "arp_ip_target")]),
        (wish(arp_interval_ms=100, arp_targets=tuple(f"10.0.0.{i}" for i in range(1, 18))), [("monitor", "arp_ip_target")]),
        (wish(Mode.LACP, arp_interval_ms=100, arp_targets=("10.0.0.1",)), [("monitor", "arp_interval")]),
        (wish(Mode.ALB, arp_interval_ms=100, arp_targets=("10.0.0.1",)), [("monitor", "arp_interval")]),
        (wish(updelay_ms=150), [("delay", "updelay")]),
        (wish(downdelay_ms=200), []),
        (wish(arp_interval_ms=100, arp_targets=("10.0.0.1",), updelay_ms=100), [("delay", "updelay")]),
        (wish(lacp_rate="fast"), [("lacp", "lacp_rate")]),
        (wish(Mode.LACP, lacp_rate="often"), [("lacp", "lacp_rate")]),
        (wish(xmit_hash="layer2"), [("hash", "xmit_hash_policy")]),
        (wish(Mode.XOR, xmit_hash="layer9"), [("hash", "xmit_hash_policy")]),
        (wish(slaves=("eth0",)), [("slaves", "slaves")]),
        (wish(slaves=("eth0", "eth0")), [("slaves", "slaves"), ("slaves", "slaves")]),
        (wish(name="eth0"), [("name", "eth0")]),
        (wish(name="a;reboot"), [("name", "a;reboot")]),
        (wish(name="sixteen-letters1"), [("name", "sixteen-letters1")]),
        (wish(slaves=("$(x)", "eth1")), [("name", "$(x)")]),
        (wish(addresses=("10.0.0.300/24",)), [("address", "address")]),
        (wish(addresses=("10.0.0.3",)), [("address", "address")]),
        (wish(addresses=("10.0.0.3/24",), gateways=("10.0.1.1",)), [("gateway", "gateway")]),
        (wish(addresses=("10.0.0.3/24",), gateways=("10.0.0.1", "10.0.0.2")), [("gateway", "gateway")]),
        (wish(addresses=("fd00::2/64",), gateways=("fe80::1",)), []),
        (wish(gateways=("nobody",)), [("gateway", "gateway")]),
        (wish(dns=("nobody", "10.0.0.1")), [("dns", "dns")]),
        (wish(mtu=100), [("mtu", "mtu")]),
        (wish(updelay_ms=-100), [("negative", "times")]),
    ],
)  # fmt: skip
def test_what_does_not_fit_together(found: Wish, expected: list[tuple[str, str]]) -> None:
    assert codes(found) == expected


def test_everything_at_once() -> None:
    bad = wish(
        Mode.LACP, slaves=("eth0",), primary="eth7", miimon_ms=0, mtu=1, addresses=("x",), xmit_hash="y"
    )  # fmt: skip

    assert len(codes(bad)) >= 7


def test_switch_is_reminded_of_where_it_must_take_part() -> None:
    def warned(mode: Mode) -> bool:
        return any(finding.code == "switch" for finding in judge_wish(wish(mode)))

    assert [mode.value for mode in Mode if warned(mode)] == [
        "balance-rr",
        "balance-xor",
        "broadcast",
        "802.3ad",
    ]


LINK = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,10}", fullmatch=True)


@given(
    mode=st.sampled_from(list(Mode)),
    slaves=st.lists(LINK, min_size=2, max_size=4, unique=True),
    hashed=st.sampled_from(["", *HASHES]),
    times=st.integers(1, 50),
)
def test_what_passes_is_what_the_programs_read(
    mode: Mode, slaves: list[str], hashed: str, times: int
) -> None:
    found = wish(mode, name="bond9", slaves=tuple(slaves), xmit_hash=hashed, updelay_ms=100 * times)
    if codes(found):
        return

    tree = YAML(typ="safe").load(netplan(found))
    bond = tree["network"]["bonds"]["bond9"]
    assert bond["interfaces"] == slaves
    assert list(tree["network"]["ethernets"]) == slaves
    assert bond["parameters"]["mode"] == mode.value
    for line in nmcli(found).replace("\\\n", " ").splitlines():
        assert shlex.split(line)[:2] == ["nmcli", "connection"]
    device = networkd(found).split("\n\n# ")[0].partition("\n")[2]
    parser = ConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_file(io.StringIO(device))
    assert parser["Bond"]["UpDelaySec"] == f"{100 * times}ms"
