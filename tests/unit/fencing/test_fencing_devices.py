"""From the CIB to devices and levels, with every mistake named."""

from __future__ import annotations

import random

import pytest
from lxml import etree

from ninefold.fencing.capabilities import Capabilities, call_parameters, capabilities, lists
from ninefold.fencing.devices import Covers, Device, HostCheck, read_device
from ninefold.fencing.parameters import (
    HIDDEN,
    BadFenceParameterError,
    redacted,
    stdin_text,
)
from ninefold.fencing.topology import Fencing, read_fencing

NODES = ("node1", "node2", "node3")


def primitive(name: str, *, meta: str = "", **given: str) -> str:
    pairs = "".join(
        f'<nvpair id="{name}-{key}" name="{key}" value="{value}"/>' for key, value in given.items()
    )
    return (
        f'<primitive id="{name}" class="stonith" type="fence_test">'
        f'<instance_attributes id="{name}-ia">{pairs}</instance_attributes>{meta}</primitive>'
    )


def cib(resources: str, topology: str = "", options: str = "") -> Fencing:
    nodes = "".join(f'<node id="{name[-1]}" uname="{name}"/>' for name in NODES)
    text = (
        "<cib><configuration><crm_config><cluster_property_set id='o'>"
        f"{options}</cluster_property_set></crm_config><nodes>{nodes}</nodes>"
        f"<resources>{resources}</resources><constraints/>"
        f"<fencing-topology>{topology}</fencing-topology></configuration><status/></cib>"
    )
    return read_fencing(etree.fromstring(text))


def ids(fencing: Fencing, target: str) -> list[list[str]]:
    return [[device.id for device in level] for level in fencing.levels(target)]


def test_host_map_gives_each_node_its_plug() -> None:
    device, found = read_device(
        "pdu", "fence_apc", {"pcmk_host_map": "node1:1;node2:2,3 node3=4"}, nodes=NODES
    )

    assert not found
    assert [device.plug(node) for node in NODES] == ["1", "2,3", "4"]
    assert device.covers("node2") is Covers.YES
    assert device.covers("NODE2") is Covers.YES  # names are compared without regard to case


@pytest.mark.parametrize("text", ["node1,node2", "node1 node2", "node1; node2", "node1\tnode2"])
def test_host_list_is_separated_as_people_write_it(text: str) -> None:
    device, found = read_device("d", "fence_x", {"pcmk_host_list": text}, nodes=NODES)

    assert not found
    assert [device.covers(node) for node in NODES] == [Covers.YES, Covers.YES, Covers.NO]


def test_without_lists_the_device_must_be_asked() -> None:
    device, _ = read_device("d", "fence_x", {}, nodes=NODES)

    assert device.covers("node1") is Covers.ASK


def test_host_check_none_covers_every_node() -> None:
    device, _ = read_device("d", "fence_x", {"pcmk_host_check": "none"}, nodes=NODES)

    assert device.covers("node1") is Covers.YES


def test_every_mistake_of_a_device_is_found_at_once() -> None:
    _, found = read_device(
        "d",
        "fence_x",
        {
            "pcmk_host_list": "node1 nodr2",
            "pcmk_host_map": "node1:1;node1:2;node3",
            "pcmk_host_check": "static",
            "pcmk_delay_max": "soon",
            "pcmk_off_retries": "0",
            "pcmk_hostlist": "node1",
            "action": "off",
        },
        nodes=NODES,
    )

    sentences = " ".join(finding.sentence for finding in found)
    for said in ("nodr2", "two plugs", "no plug", "'static'", "'soon'", "'0'", "pcmk_hostlist"):
        assert said in sentences
    assert any("Did you mean node2?" in finding.remedy for finding in found)
    assert any("Did you mean pcmk_host_list?" in finding.remedy for finding in found)
    assert any(finding.code == "fence-action-set" for finding in found)


def test_fixed_plug_for_several_nodes_is_refused_not_fired() -> None:
    given = {"plug": "7", "pcmk_host_list": "node1 node2"}
    device, found = read_device("d", "fence_x", given, nodes=NODES)

    assert [finding.code for finding in found] == ["fence-plug-ambiguous"]
    assert device.covers("node1") is Covers.NO


def test_fixed_plug_that_contradicts_the_map_is_refused() -> None:
    device, found = read_device(
        "d", "fence_x", {"port": "7", "pcmk_host_map": "node1:8"}, nodes=NODES
    )

    assert [finding.code for finding in found] == ["fence-plug-ambiguous"]
    assert device.covers("node1") is Covers.NO


def test_fixed_plug_for_one_node_is_used_as_it_is() -> None:
    device, found = read_device(
        "d", "fence_x", {"plug": "7", "pcmk_host_list": "node1"}, nodes=NODES
    )

    assert not found
    assert call_parameters(device, "node1", Capabilities("plug", ("off",))) == {
        "plug": "7",
        "nodename": "node1",
    }


@pytest.mark.parametrize(
    ("argument", "able", "expected"),
    [
        ("", Capabilities("plug", ("off",)), {"plug": "2", "nodename": "node2"}),
        ("", Capabilities("port", ("off",)), {"port": "2", "nodename": "node2"}),
        ("", Capabilities("", ("off",)), {"nodename": "node2"}),
        ("none", Capabilities("plug", ("off",)), {"nodename": "node2"}),
        ("domain", Capabilities("plug", ("off",)), {"domain": "2", "nodename": "node2"}),
    ],
)
def test_plug_goes_by_the_name_the_agent_wants(
    argument: str, able: Capabilities, expected: dict[str, str]
) -> None:
    device = Device("d", "fence_x", host_map={"node2": "2"}, host_argument=argument)

    assert call_parameters(device, "node2", able) == expected


def test_delay_is_base_plus_chance_up_to_the_maximum() -> None:
    device, _ = read_device(
        "d", "fence_x", {"pcmk_delay_base": "2s", "pcmk_delay_max": "5s"}, nodes=NODES
    )

    rng = random.Random(1)
    drawn = [device.delay_ms("node1", rng) for _ in range(200)]
    assert 2000 <= min(drawn) < 2300
    assert 4700 < max(drawn) <= 5000


def test_delay_may_differ_by_node() -> None:
    given = {"pcmk_delay_base": "node1:0;node2:10s"}
    device, found = read_device("d", "fence_x", given, nodes=NODES)

    assert not found
    rng = random.Random(1)
    assert [device.delay_ms(node, rng) for node in NODES] == [0, 10_000, 0]


def test_device_has_its_own_words_times_and_tries() -> None:
    device, found = read_device(
        "d",
        "fence_x",
        {"pcmk_reboot_action": "cycle", "pcmk_off_timeout": "2min", "pcmk_off_retries": "5"},
        nodes=NODES,
        default_timeout_ms=61_000,
    )

    assert not found
    assert (device.word("reboot"), device.word("off")) == ("cycle", "off")
    assert (device.timeout_ms("off"), device.timeout_ms("reboot")) == (120_000, 61_000)
    assert (device.tries_of("off"), device.tries_of("reboot")) == (5, 2)


def test_without_topology_each_device_is_a_level_by_priority() -> None:
    high = '<meta_attributes id="m"><nvpair id="p" name="priority" value="5"/></meta_attributes>'
    fencing = cib(
        primitive("a", pcmk_host_list="node1")
        + primitive("b", pcmk_host_list="node1", meta=high)
        + primitive("c", pcmk_host_list="node2")
    )

    assert ids(fencing, "node1") == [["b"], ["a"]]
    assert ids(fencing, "node2") == [["c"]]


def test_topology_is_followed_by_index_and_merges_equal_ones() -> None:
    devices = "".join(primitive(name, pcmk_host_list="node1 node2") for name in "abc")
    fencing = cib(
        devices,
        '<fencing-level id="l2" target="node1" index="2" devices="a,b"/>'
        '<fencing-level id="l1" target="node1" index="1" devices="c"/>'
        '<fencing-level id="l3" target-pattern="node." index="1" devices="b"/>',
    )

    assert ids(fencing, "node1") == [["c"], ["a", "b"]]
    assert ids(fencing, "node2") == [["b"]]  # by pattern, for no level names it


def test_level_with_a_device_that_cannot_is_left_out_and_found() -> None:
    fencing = cib(
        primitive("a", pcmk_host_list="node1") + primitive("b", pcmk_host_list="node2"),
        '<fencing-level id="l" target="node1" index="1" devices="a,b"/>'
        '<fencing-level id="m" target="node9" index="0" devices="zz"/>',
    )

    assert ids(fencing, "node1") == []
    said = " ".join(finding.sentence for finding in fencing.findings)
    assert "b cannot silence node1" in said
    assert "'0'" in said


def test_node_that_nothing_can_silence_is_a_finding() -> None:
    fencing = cib(primitive("a", pcmk_host_list="node1 node2"))

    uncovered = [finding for finding in fencing.findings if finding.code == "fence-node-uncovered"]
    assert [finding.subject for finding in uncovered] == ["node node3"]


def test_disabled_device_silences_nobody() -> None:
    stopped = (
        '<meta_attributes id="m"><nvpair id="t" name="target-role" value="Stopped"/>'
        "</meta_attributes>"
    )
    fencing = cib(primitive("a", pcmk_host_list="node1", meta=stopped))

    assert ids(fencing, "node1") == []
    assert any(finding.code == "fence-device-disabled" for finding in fencing.findings)


@pytest.mark.parametrize("prefix", ["stonith", "fencing"])
def test_properties_go_by_their_old_and_new_names(prefix: str) -> None:
    fencing = cib(
        "",
        options=f'<nvpair id="1" name="{prefix}-enabled" value="false"/>'
        f'<nvpair id="2" name="{prefix}-action" value="off"/>'
        f'<nvpair id="3" name="{prefix}-timeout" value="90"/>',
    )

    assert (fencing.enabled, fencing.action, fencing.timeout_ms) == (False, "off", 90_000)


def test_template_lends_its_agent_and_attributes() -> None:
    fencing = cib(
        '<template id="t" class="stonith" type="fence_t"><instance_attributes id="ti">'
        '<nvpair id="x" name="ip" value="10.0.0.1"/></instance_attributes></template>'
        '<primitive id="d" template="t"><instance_attributes id="di">'
        '<nvpair id="y" name="pcmk_host_list" value="node1"/></instance_attributes></primitive>'
    )

    assert fencing.devices[0].agent == "fence_t"
    assert fencing.devices[0].parameters == {"ip": "10.0.0.1"}


def test_stdin_carries_the_action_asked_for_and_nothing_of_the_clusters() -> None:
    text = stdin_text("off", {"action": "reboot", "pcmk_host_list": "a", "ip": "::1", "plug": "=3"})

    assert text == "action=off\nip=::1\nplug==3\n"


@pytest.mark.parametrize(("name", "value"), [("a b", "x"), ("", "x"), ("a", "x\naction=on")])
def test_parameter_that_would_break_the_input_is_refused(name: str, value: str) -> None:
    with pytest.raises(BadFenceParameterError):
        stdin_text("off", {name: value})


def test_secrets_are_hidden_and_the_rest_is_not() -> None:
    shown = redacted({"passwd": "x", "password": "y", "snmp_priv_passwd": "z", "ip": "10.0.0.1",
                      "passwd_script": "/etc/pw", "secret_key": "k", "api_key": "a"})  # fmt: skip

    hidden = {name for name, value in shown.items() if value == HIDDEN}
    assert hidden == {"passwd", "password", "snmp_priv_passwd", "secret_key", "api_key"}


def test_capabilities_are_read_from_metadata() -> None:
    text = (
        '<resource-agent name="fence_x"><parameters><parameter name="port"/></parameters><actions>'
        '<action name="on" automatic="1"/><action name="off"/></actions></resource-agent>'
    )

    able = capabilities(text, "fence_x")

    assert able == Capabilities("port", ("on", "off"), on_automatic=True)
    assert not able.can("reboot")


@pytest.mark.parametrize(
    ("output", "plug", "expected"),
    [
        ("1,\n2,\n", "2", True),
        ("12,\n", "2", False),
        ("3,Node2\n", "node2", True),
        ("", "1", False),
    ],
)
def test_list_is_searched_for_whole_words(output: str, plug: str, expected: bool) -> None:
    assert lists(output, plug) is expected


def test_unknown_host_check_leaves_the_default() -> None:
    device, _ = read_device("d", "fence_x", {"pcmk_host_check": "magic"}, nodes=NODES)

    assert device.host_check is HostCheck.AUTO
