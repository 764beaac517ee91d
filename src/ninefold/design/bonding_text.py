"""A wish for a bond, written for NetworkManager, ifcfg files, netplan or systemd-networkd.

Each form is a list of files or commands for a person to read; nothing here is put anywhere. The
wish has been judged before: what is written holds no blanks or quotes of somebody's own.
"""

from __future__ import annotations

import ipaddress
import json
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ninefold.design.bonding import Wish


def nmcli(wish: Wish) -> str:
    """Return commands for NetworkManager."""
    options = ",".join(f"{k}={v.replace(',', ' ')}" for k, v in wish.options())
    words = [
        "nmcli connection add type bond",
        f"con-name {wish.name} ifname {wish.name}",
        f'bond.options "{options}"',
    ]
    for version, prefix in ((4, "ipv4"), (6, "ipv6")):
        addresses = [text for text in wish.addresses if _version(text) == version]
        gateways = [text for text in wish.gateways if _version(text) == version]
        dns = [text for text in wish.dns if _version(text) == version]
        if addresses:
            words.append(f'{prefix}.method manual {prefix}.addresses "{",".join(addresses)}"')
        elif wish.addresses:
            words.append(f"{prefix}.method disabled")
        if gateways:
            words.append(f"{prefix}.gateway {gateways[0]}")
        if dns:
            words.append(f'{prefix}.dns "{",".join(dns)}"')
    if wish.mtu is not None:
        words.append(f"802-3-ethernet.mtu {wish.mtu}")
    lines = [" \\\n    ".join(words)]
    lines += [
        f"nmcli connection add type ethernet con-name {wish.name}-{slave} ifname {slave} "
        f"master {wish.name}"
        for slave in wish.slaves
    ]
    # To start a slave starts the bond; the other way round it does not.
    lines += [f"nmcli connection up {wish.name}-{slave}" for slave in wish.slaves]
    return "\n".join(lines) + "\n"


def ifcfg(wish: Wish) -> str:
    """Return files of /etc/sysconfig/network-scripts."""
    options = " ".join(f"{k}={v}" for k, v in wish.options())
    lines = [f"DEVICE={wish.name}", f"NAME={wish.name}", "TYPE=Bond", "BONDING_MASTER=yes"]
    lines += [f'BONDING_OPTS="{options}"', "BOOTPROTO=none" if wish.addresses else "BOOTPROTO=dhcp"]
    fours = [text for text in wish.addresses if _version(text) == 4]
    for number, text in enumerate(fours):
        address = ipaddress.ip_interface(text)
        suffix = str(number) if number else ""
        lines.append(f"IPADDR{suffix}={address.ip}")
        lines.append(f"PREFIX{suffix}={address.network.prefixlen}")
    sixes = [text for text in wish.addresses if _version(text) == 6]
    if sixes:
        lines += ["IPV6INIT=yes", "IPV6_AUTOCONF=no", f"IPV6ADDR={sixes[0]}"]
        if sixes[1:]:
            lines.append(f'IPV6ADDR_SECONDARIES="{" ".join(sixes[1:])}"')
    for gateway in wish.gateways:
        key = "GATEWAY" if _version(gateway) == 4 else "IPV6_DEFAULTGW"
        lines.append(f"{key}={gateway}")
    lines += [f"DNS{number}={text}" for number, text in enumerate(wish.dns, 1)]
    if wish.mtu is not None:
        lines.append(f"MTU={wish.mtu}")
    lines.append("ONBOOT=yes")
    parts = [(f"ifcfg-{wish.name}", lines)]
    for slave in wish.slaves:
        own = [f"DEVICE={slave}", f"NAME={wish.name}-{slave}", "TYPE=Ethernet", "BOOTPROTO=none"]
        own += [f"MASTER={wish.name}", "SLAVE=yes", "ONBOOT=yes"]
        parts.append((f"ifcfg-{slave}", own))
    return _files([(f"/etc/sysconfig/network-scripts/{name}", text) for name, text in parts])


# The driver's names to netplan's; times are milliseconds in both.
_NETPLAN: Final = MappingProxyType(
    {
        "mode": "mode",
        "miimon": "mii-monitor-interval",
        "updelay": "up-delay",
        "downdelay": "down-delay",
        "arp_interval": "arp-interval",
        "arp_ip_target": "arp-ip-targets",
        "primary": "primary",
        "lacp_rate": "lacp-rate",
        "xmit_hash_policy": "transmit-hash-policy",
    }
)


def netplan(wish: Wish) -> str:
    """Return a file of /etc/netplan."""
    lines = ["network:", "  version: 2", "  ethernets:"]
    for slave in wish.slaves:
        lines.append(f"    {_scalar(slave)}:")
        lines.append("      dhcp4: false")
        lines.append("      dhcp6: false")
    lines += ["  bonds:", f"    {_scalar(wish.name)}:"]
    lines.append(f"      interfaces: [{', '.join(map(_scalar, wish.slaves))}]")
    lines.append("      parameters:")
    for key, value in wish.options():
        shown = f"[{', '.join(value.split(','))}]" if key == "arp_ip_target" else value
        if key in ("mode", "primary"):
            shown = _scalar(shown)
        lines.append(f"        {_NETPLAN[key]}: {shown}")
    if wish.addresses:
        lines.append("      addresses:")
        lines += [f'        - "{text}"' for text in wish.addresses]
    else:
        lines.append("      dhcp4: true")
    if wish.gateways:
        lines.append("      routes:")
        for gateway in wish.gateways:
            # `default` alone is IPv4's to some versions.
            target = "default" if _version(gateway) == 4 else '"::/0"'
            lines.append(f"        - to: {target}")
            lines.append(f'          via: "{gateway}"')
    if wish.dns:
        lines += ["      nameservers:", "        addresses:"]
        lines += [f'          - "{text}"' for text in wish.dns]
    if wish.mtu is not None:
        lines.append(f"      mtu: {wish.mtu}")
    return _files([(f"/etc/netplan/60-{wish.name}.yaml", lines)])


def networkd(wish: Wish) -> str:
    """Return files of /etc/systemd/network."""
    said = dict(wish.options())
    device = ["[NetDev]", f"Name={wish.name}", "Kind=bond"]
    device += [f"MTUBytes={wish.mtu}"] if wish.mtu is not None else []
    device += ["", "[Bond]", f"Mode={wish.mode.value}"]
    for key, name in (
        ("miimon", "MIIMonitorSec"),
        ("updelay", "UpDelaySec"),
        ("downdelay", "DownDelaySec"),
        ("arp_interval", "ARPIntervalSec"),
    ):
        if key in said:
            device.append(f"{name}={said[key]}ms")
    if "arp_ip_target" in said:
        device.append(f"ARPIPTargets={' '.join(said['arp_ip_target'].split(','))}")
    if "lacp_rate" in said:
        device.append(f"LACPTransmitRate={said['lacp_rate']}")
    if "xmit_hash_policy" in said:
        device.append(f"TransmitHashPolicy={said['xmit_hash_policy']}")
    files = [(f"/etc/systemd/network/30-{wish.name}.netdev", device)]
    for slave in wish.slaves:
        own = ["[Match]", f"Name={slave}", "", "[Network]", f"Bond={wish.name}"]
        own += ["PrimarySlave=yes"] if slave == wish.primary else []
        files.append((f"/etc/systemd/network/30-{wish.name}-{slave}.network", own))
    network = ["[Match]", f"Name={wish.name}", "", "[Network]"]
    network += [f"Address={text}" for text in wish.addresses] or ["DHCP=yes"]
    network += [f"Gateway={text}" for text in wish.gateways]
    network += [f"DNS={text}" for text in wish.dns]
    files.append((f"/etc/systemd/network/40-{wish.name}.network", network))
    return _files(files)


FORMATS: Final[Mapping[str, Callable[[Wish], str]]] = MappingProxyType(
    {"nmcli": nmcli, "ifcfg": ifcfg, "netplan": netplan, "networkd": networkd}
)


def _files(files: list[tuple[str, list[str]]]) -> str:
    return "\n".join(f"# {name}\n" + "\n".join(lines) + "\n" for name, lines in files)


def _scalar(text: str) -> str:
    """Return a text of YAML: what begins with a digit might be read as a number."""
    plain = re.fullmatch(r"[A-Za-z_]+[0-9][A-Za-z0-9_.-]*|[a-z]+-[a-z]+", text)
    return text if plain else json.dumps(text)


def _version(text: str) -> int:
    return ipaddress.ip_interface(text).version
