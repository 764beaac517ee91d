"""What a CIB tells about services, storage and fence devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ninefold.design.init_cluster import Found, look

if TYPE_CHECKING:
    from pathlib import Path

HEAD = '<cib admin_epoch="0" epoch="1" num_updates="0"><configuration><crm_config/><nodes>'
NODES = '<node id="1" uname="a"/><node id="2" uname="b"/></nodes><resources>'
TAIL = "</resources><constraints/></configuration><status/></cib>"


def primitive(name: str, kind: str, *pairs: str, standard: str = "ocf", provider: str = "x") -> str:
    given = "".join(
        f'<nvpair id="{name}-{pair.partition("=")[0]}" name="{pair.partition("=")[0]}"'
        f' value="{pair.partition("=")[2]}"/>'
        for pair in pairs
    )
    where = f'provider="{provider}" ' if standard == "ocf" else ""
    inside = f'<instance_attributes id="{name}-ia">{given}</instance_attributes>' if given else ""
    return f'<primitive id="{name}" class="{standard}" {where}type="{kind}">{inside}</primitive>'


def found(tmp_path: Path, resources: str) -> Found:
    file = tmp_path / "cib.xml"
    file.write_text(HEAD + NODES + resources + TAIL)
    return look(None, file)


def test_each_group_is_a_service_and_its_parts_are_not(tmp_path: Path) -> None:
    group = f'<group id="web">{primitive("ip", "IPaddr2")}{primitive("http", "apache")}</group>'

    told = found(tmp_path, group + primitive("mailer", "postfix"))

    assert told.nodes == ("a", "b")
    assert [service.name for service in told.services] == ["web"]
    assert told.services[0].resource == "web"


def test_without_a_group_each_resource_is_one_but_plumbing_is_none(tmp_path: Path) -> None:
    fence = primitive("shoot", "fence_apc", standard="stonith")
    drbd = f'<clone id="drbd-clone">{primitive("drbd", "drbd")}</clone>'

    told = found(tmp_path, fence + drbd + primitive("db", "pgsql"))

    assert [service.name for service in told.services] == ["db"]
    assert told.storage == "drbd"


@pytest.mark.parametrize(
    ("kind", "storage"), [("drbd", "drbd"), ("LVM-activate", "array"), ("IPaddr2", "mirror")]
)
def test_agents_tell_where_the_data_is(tmp_path: Path, kind: str, storage: str) -> None:
    assert found(tmp_path, primitive("r", kind)).storage == storage


def test_controller_of_one_node_is_inside_it_and_an_outlet_is_not(tmp_path: Path) -> None:
    bmc = primitive("bmc-a", "fence_ipmilan", "pcmk_host_list=a", standard="stonith")
    outlet = primitive("pdu", "fence_apc", "pcmk_host_list=a", standard="stonith")
    chassis = primitive("blade", "fence_ipmilan", "pcmk_host_list=a b", standard="stonith")

    devices = {
        device.name: device.inside for device in found(tmp_path, bmc + outlet + chassis).devices
    }

    assert devices == {"bmc-a": "a", "pdu": "", "blade": ""}


def test_file_that_is_none_is_a_finding(tmp_path: Path) -> None:
    told = look(None, tmp_path / "none.xml")

    assert told.nodes == ()
    assert [finding.code for finding in told.findings] == ["unreadable"]
