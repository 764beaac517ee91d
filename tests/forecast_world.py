"""A cluster of three nodes as a document, for thought experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxml import etree

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = 1_800_000_000
NODES = ("n1", "n2", "n3")


def cluster(
    resources: str = (
        '<primitive id="db" class="ocf" provider="heartbeat" type="Dummy"><operations>'
        '<op id="db-mon" name="monitor" interval="10s"/></operations></primitive>'
    ),
    constraints: str = "",
    running: Mapping[str, str] | None = None,
    options: str = "",
) -> etree._Element:
    """Return a `<cib>`: a fence device, `resources`; what `running` names runs, the rest is stopped."""
    parsed = etree.fromstring(f"<resources>{resources}</resources>")
    names = ["fence", *(one.get("id") or "" for one in parsed.iter("primitive"))]
    where = {"fence": "n3"} | dict(running or {})
    nodes = "".join(f'<node id="{name[1:]}" uname="{name}"/>' for name in NODES)
    states = "".join(_state(name, names, where) for name in NODES)
    return etree.fromstring(
        '<cib have-quorum="1" dc-uuid="1" epoch="1" num_updates="0" admin_epoch="0">'
        "<configuration><crm_config>"
        f'<cluster_property_set id="cib-bootstrap-options">{options}</cluster_property_set>'
        f"</crm_config><nodes>{nodes}</nodes>"
        f'<resources><primitive id="fence" class="stonith" type="fence_x"/>{resources}</resources>'
        f"<constraints>{constraints}</constraints></configuration><status>{states}</status></cib>"
    )


def _state(node: str, names: list[str], where: Mapping[str, str]) -> str:
    inner = "".join(_history(name, active=where.get(name) == node) for name in names)
    return (
        f'<node_state id="{node[1:]}" uname="{node}" in_ccm="true" crmd="online" join="member"'
        f' expected="member"><lrm id="{node[1:]}"><lrm_resources>{inner}</lrm_resources></lrm>'
        "</node_state>"
    )


def _history(name: str, *, active: bool) -> str:
    kind, rc = ("start", 0) if active else ("monitor", 7)
    agent = 'class="stonith" type="fence_x"' if name == "fence" else (
        'class="ocf" provider="heartbeat" type="Dummy"'
    )  # fmt: skip
    return (
        f'<lrm_resource id="{name}" {agent}><lrm_rsc_op id="{name}_last_0"'
        f' operation_key="{name}_{kind}_0" operation="{kind}" interval="0" call-id="1"'
        f' rc-code="{rc}" op-status="0" last-rc-change="{NOW - 600}"'
        f' transition-key="1:1:{rc}:x" op-digest="f2317cad3d54cec5d7d7aa7d0bf35cf8"/></lrm_resource>'
    )
