"""The configuration of a lab for which the operator gave none: `corosync.conf` and CIB as text.

Also reads names and addresses, and nothing else, out of an operator's own `corosync.conf`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import quoteattr

from ninefold.lab.errors import BadPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

NETWORKS: Final = ("10.77.0", "10.78.0")
PREFIX: Final = 24
VIP: Final = "10.77.0.100"

_CONF: Final = """\
totem {{
    version: 2
    cluster_name: lab
    transport: knet
    link_mode: passive
    crypto_cipher: aes256
    crypto_hash: sha256
{timers}}}

nodelist {{
{nodes}}}

quorum {{
    provider: corosync_votequorum
{two_node}}}

logging {{
    to_stderr: no
    to_syslog: no
    to_logfile: yes
    logfile: /var/log/corosync/corosync.log
    timestamp: hires
}}
"""

_NODE: Final = """\
    node {{
        nodeid: {nodeid}
        name: {name}
{addresses}    }}
"""

_CIB: Final = """\
<cib validate-with="pacemaker-3.9" admin_epoch="0" epoch="1" num_updates="0">
  <configuration>
    <crm_config>
      <cluster_property_set id="cib-bootstrap-options">
        <nvpair id="opt-stonith-enabled" name="stonith-enabled" value="true"/>
        <nvpair id="opt-no-quorum-policy" name="no-quorum-policy" value="stop"/>
        <nvpair id="opt-stonith-timeout" name="stonith-timeout" value="60s"/>
        <nvpair id="opt-cluster-name" name="cluster-name" value="lab"/>
      </cluster_property_set>
    </crm_config>
    <nodes/>
    <resources>
      <primitive id="fence" class="stonith" type="fence_ninefold_lab">
        <instance_attributes id="fence-params">
          <nvpair id="fence-host-check" name="pcmk_host_check" value="static-list"/>
          <nvpair id="fence-host-list" name="pcmk_host_list" value={names}/>
{delay}        </instance_attributes>
        <operations>
          <op id="fence-monitor" name="monitor" interval="60s" timeout="20s"/>
        </operations>
      </primitive>
      <group id="web">
        <primitive id="vip" class="ocf" provider="ninefold" type="vip">
          <instance_attributes id="vip-params">
            <nvpair id="vip-ip" name="ip" value="{vip}"/>
            <nvpair id="vip-netmask" name="cidr_netmask" value="24"/>
            <nvpair id="vip-nic" name="nic" value="eth0"/>
          </instance_attributes>
          <operations>
            <op id="vip-monitor" name="monitor" interval="1s" timeout="20s"/>
          </operations>
        </primitive>
        <primitive id="http" class="ocf" provider="ninefold" type="web">
          <instance_attributes id="http-params">
            <nvpair id="http-port" name="port" value="80"/>
          </instance_attributes>
          <operations>
            <op id="http-monitor" name="monitor" interval="1s" timeout="20s"/>
          </operations>
        </primitive>
      </group>
    </resources>
    <constraints/>
    <rsc_defaults>
      <meta_attributes id="rsc-defaults">
        <nvpair id="rsc-stickiness" name="resource-stickiness" value="100"/>
      </meta_attributes>
    </rsc_defaults>
  </configuration>
  <status/>
</cib>
"""

# Two nodes whose links are all cut fence each other at the same moment: both may lose. Fencing of
# the first node waits, so it wins. Here both see the loss within 0.1 s and the switch needs 0.05 s.
_DELAY: Final = """\
          <nvpair id="fence-delay-base" name="pcmk_delay_base" value={delays}/>
"""

# The switch carries one bridge per link; corosync.conf(5) allows links 0 to 7.
_RING_ADDRESS: Final = re.compile(r"ring([0-7])_addr")


def hosts(count: int) -> list[tuple[str, int, tuple[str, ...]]]:
    """Return (name, nodeid, addresses by link) of `count` hosts on two networks."""
    return [
        (f"node{number}", number, tuple(f"{network}.{number}" for network in NETWORKS))
        for number in range(1, count + 1)
    ]


def corosync_conf(
    nodes: Sequence[tuple[str, int, tuple[str, ...]]],
    *,
    token_ms: int | None = None,
    token_coefficient_ms: int | None = None,
    extra: str = "",
) -> str:
    """Return a `corosync.conf` for `nodes`; timers left out keep Corosync's defaults."""
    timers = {"token": token_ms, "token_coefficient": token_coefficient_ms}
    lines = [f"{key}: {value}" for key, value in timers.items() if value is not None]
    lines += [line.strip() for line in extra.splitlines() if line.strip()]
    return _CONF.format(
        timers="".join(f"    {line}\n" for line in lines),
        nodes="".join(_node(*node) for node in nodes),
        two_node="    two_node: 1\n" if len(nodes) == 2 else "",
    )


def cib(names: Sequence[str]) -> str:
    """Return a CIB: fencing by the lab, and a group `web` of an address and a web server."""
    delay = _DELAY.format(delays=quoteattr(f"{names[0]}:1s")) if len(names) == 2 else ""
    return _CIB.format(names=quoteattr(",".join(names)), vip=VIP, delay=delay)


def hosts_of(text: str, path: str) -> list[tuple[str, int, tuple[str, ...]]]:
    """Return (name, nodeid, addresses by link) of each node that `text` lists.

    Takes only what the lab needs, so that a lab can be given files whose other errors are the thing
    to be shown: judging the rest is the daemon's work.
    """
    found = []
    for number, entry in enumerate(_node_sections(text), start=1):
        links = sorted(int(m[1]) for key in entry if (m := _RING_ADDRESS.fullmatch(key)))
        if not links or links != list(range(len(links))):
            raise BadPlan(f"{path}: node {number} needs ring0_addr, ring1_addr ... without gaps.")
        name = entry.get("name", f"node{entry.get('nodeid', number)}")
        nodeid = entry.get("nodeid", str(number))
        if not nodeid.isdecimal():
            raise BadPlan(f"{path}: the nodeid of {name} is not a number: {nodeid!r}.")
        addresses = tuple(entry[f"ring{link}_addr"] for link in links)
        found.append((name, int(nodeid), addresses))
    if not found:
        raise BadPlan(f"{path}: there is no node in its nodelist.")
    return found


def _node(name: str, nodeid: int, addresses: tuple[str, ...]) -> str:
    lines = "".join(
        f"        ring{link}_addr: {address}\n" for link, address in enumerate(addresses)
    )
    return _NODE.format(name=name, nodeid=nodeid, addresses=lines)


def _node_sections(text: str) -> list[dict[str, str]]:
    """Return the keys of each `nodelist.node` section."""
    path: list[str] = []
    entries: list[dict[str, str]] = []
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("#") or not line:
            continue
        if line.endswith("{"):
            path.append(line[:-1].strip())
            if path == ["nodelist", "node"]:
                entries.append({})
        elif line == "}":
            del path[-1:]
        elif path == ["nodelist", "node"]:
            key, _, value = line.partition(":")
            entries[-1][key.strip()] = value.strip()
    return entries
