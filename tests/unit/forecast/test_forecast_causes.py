"""The causes that an operator meets, one by one: what is said, that the sum holds, that the command offered works.

A command is obeyed by the changes that the command line would send; where the document is to be edited, the test edits
what the sentence names.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
import pytest
from lxml import etree

from ninefold.cib.apply import Refused, apply
from ninefold.cib.document import Cib
from ninefold.cib.model import (
    Cause,
    Change,
    ClearMoves,
    ForgetHistory,
    SetMetaAttribute,
    SetNodeAttribute,
    SetProperty,
)
from ninefold.forecast import events as ev
from ninefold.forecast.events import inject
from ninefold.forecast.explain import Explanation, explain
from ninefold.forecast.opspec import OpSpec
from ninefold.scheduler.scores import INFINITY, add
from tests.forecast_world import NODES, NOW, cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Element = etree._Element


def primitive(name: str, inner: str = "", **meta: str) -> str:
    pairs = "".join(
        f'<nvpair id="{name}-{key}" name="{key.replace("_", "-")}" value="{value}"/>'
        for key, value in meta.items()
    )
    held = f'<meta_attributes id="{name}-meta">{pairs}</meta_attributes>' if meta else ""
    return (
        f'<primitive id="{name}" class="ocf" provider="heartbeat" type="Dummy">'
        f"{inner}{held}</primitive>"
    )


def clone(inner: str, **meta: str) -> str:
    pairs = "".join(
        f'<nvpair id="c-{key}" name="{key.replace("_", "-")}" value="{value}"/>'
        for key, value in meta.items()
    )
    return (
        f'<clone id="all">{inner}<meta_attributes id="all-meta">{pairs}</meta_attributes></clone>'
    )


def option(name: str, value: str) -> str:
    return f'<nvpair id="opt-{name}" name="{name}" value="{value}"/>'


def permanent(root: Element, node: str, tag: str, name: str, value: str) -> None:
    element = root.find(f"configuration/nodes/node[@uname='{node}']")
    assert element is not None
    pairs = etree.SubElement(element, tag, id=f"{node}-{tag}-{name}")
    etree.SubElement(pairs, "nvpair", id=f"{node}-{name}", name=name, value=value)


def transient(root: Element, node: str, values: Mapping[str, str]) -> None:
    state = root.find(f"status/node_state[@uname='{node}']")
    assert state is not None
    held = etree.SubElement(state, "transient_attributes", id=node)
    pairs = etree.SubElement(held, "instance_attributes", id=f"status-{node}")
    for number, (name, value) in enumerate(values.items()):
        etree.SubElement(pairs, "nvpair", id=f"s-{node}-{number}", name=name, value=value)


def history(root: Element, node: str, resource: str) -> Element:
    path = f"status/node_state[@uname='{node}']//lrm_resource[@id='{resource}']"
    found = root.find(path)
    assert found is not None
    return found


def one(root: Element, name: str = "db") -> Explanation:
    """Explain, and check that every sum holds."""
    answer = explain(root, NOW, name, trials=False)[0]
    for place in answer.places:
        total = 0
        for part in place.parts:
            assert not part.sets
            total = add(total, part.score)
            assert total == part.total
        assert total == place.score
    return answer


def said(answer: Explanation, code: str, node: str = "") -> tuple[str, str]:
    """Return the sentence and the command of a code: of a node's score, or of the whole."""
    found = [] if node else [(c.code, c.sentence, c.command) for c in answer.reasons]
    for place in answer.places:
        if place.node == node or not node:
            found += [(c.code, c.sentence, c.command) for c in place.parts]
            found += [(c.code, c.sentence, c.command) for c in place.obstacles]
    return next((s, c) for known, s, c in found if known == code)


_FORMS: tuple[tuple[str, Callable[..., Change]], ...] = (
    (r"ninefold resource cleanup (\S+)", ForgetHistory),
    (r"ninefold resource clear (\S+)", ClearMoves),
    (
        r"ninefold resource start (\S+)",
        lambda name: SetMetaAttribute(name, "target-role", "Started"),
    ),
    (r"ninefold node online (\S+)", lambda node: SetNodeAttribute(node, "standby", None)),
    (
        r"ninefold node unmaintenance (\S+)",
        lambda node: SetNodeAttribute(node, "maintenance", None),
    ),
    (r"ninefold cib property (\S+) (\S+)", SetProperty),
    (r"ninefold cib property (\S+)", lambda name: SetProperty(name, None)),
)


def obey(root: Element, command: str) -> Element:
    """Return the document after the command: the first that this table knows of those that are offered."""
    for form, change in _FORMS:
        found = re.search(form, command)
        if found is None:
            continue
        cib, findings = Cib.parse(etree.tostring(root))
        assert cib is not None, findings
        after = apply(cib, change(*found.groups()), Cause("operator", "test", NOW, 1))
        assert not isinstance(after, Refused), after
        assert after is not cib, f"{command} changes nothing"
        return after.root
    pytest.fail(f"nobody knows how to do {command!r}")


def edited(command: str, what: str) -> None:
    """Check that the command says to edit `what`, which the test then does."""
    assert f"edit {what}, ninefold cib replace" in command


# --- health ---


@pytest.mark.parametrize("strategy", ["migrate-on-red", "only-green", "progressive"])
def test_node_whose_disk_is_failing_is_left_until_health_is_ignored(strategy: str) -> None:
    root = cluster(running={"db": "n1"}, options=option("node-health-strategy", strategy))
    permanent(root, "n1", "instance_attributes", "#health-disk", "red")

    answer = one(root)

    assert answer.next_node != "n1"
    sentence, command = said(answer, "health", "n1")
    assert sentence == f"Health of n1: #health-disk is red (node-health-strategy={strategy})."
    assert one(obey(root, command)).next_node == "n1"


# --- shutdown lock ---


def test_locked_resource_waits_for_its_node_until_locks_are_given_up() -> None:
    root = cluster(options=option("shutdown-lock", "true"))
    inject(root, [ev.NodeDown("n1")], NOW)
    state = root.find("status/node_state[@uname='n1']")
    assert state is not None
    resources = etree.SubElement(etree.SubElement(state, "lrm", id="1"), "lrm_resources")
    resources.append(etree.fromstring(
        f'<lrm_resource id="db" class="ocf" provider="heartbeat" type="Dummy" shutdown-lock="{NOW - 60}">'
        '<lrm_rsc_op id="db_last_0" operation_key="db_stop_0" operation="stop" interval="0" call-id="9"'
        f' rc-code="0" op-status="0" last-rc-change="{NOW - 60}" transition-key="1:1:0:x"/>'
        "</lrm_resource>"
    ))  # fmt: skip

    answer = one(root)

    assert answer.next_node == ""
    sentence, command = said(answer, "shutdown-lock", "n2")
    assert sentence == "It is kept for n1, which was shut down cleanly."
    assert one(obey(root, command)).next_node != ""


# --- utilization ---


def test_nodes_without_room_are_told_with_what_is_needed_and_left() -> None:
    needs = '<utilization id="u"><nvpair id="u1" name="memory" value="2000"/></utilization>'
    root = cluster(primitive("db", needs), options=option("placement-strategy", "utilization"))
    for node in NODES:
        permanent(root, node, "utilization", "memory", "1500")

    answer = one(root)

    assert said(answer, "no-node")[0].startswith("No node may have it")
    sentence, command = said(answer, "utilization", "n2")
    assert sentence == "What must be there together needs 2000 memory, 1500 left."
    edited(command, "the utilization of db or of the node")
    pair = root.find("configuration/nodes/node[@uname='n2']/utilization/nvpair")
    assert pair is not None
    pair.set("value", "2000")
    assert one(root).next_node == "n2"


# --- unfencing ---


def test_start_that_waits_for_unfencing_is_not_said_to_wait_for_fencing() -> None:
    root = cluster(primitive("db", requires="unfencing"))
    device = root.find(".//primitive[@id='fence']")
    assert device is not None
    device.append(etree.fromstring(
        '<meta_attributes id="f"><nvpair id="f1" name="provides" value="unfencing"/></meta_attributes>'
    ))  # fmt: skip

    answer = one(root)

    assert said(answer, "blocked")[0] == "It waits for the unfencing of n1."
    assert answer.waits == ("Its start on n1 waits for the unfencing of n1 (at most 20 s itself).",)
    transient(root, "n1", {"#node-unfenced": str(NOW)})
    assert "blocked" not in [cause.code for cause in one(root).reasons]


# --- connections ---


def test_guest_whose_host_is_stopped_is_told_with_the_resource_to_look_at() -> None:
    guest = primitive("vm", remote_node="g1", target_role="Stopped")
    likes = '<rsc_location id="l" rsc="db" node="g1" score="INFINITY"/>'
    root = cluster(primitive("db") + guest, likes)

    answer = one(root)

    assert answer.next_node in NODES
    sentence, command = said(answer, "remote-down", "g1")
    assert sentence == "g1 is reached through vm, which does not run."
    assert command == "ninefold explain vm"
    # The trail leads to a command that brings the guest up.
    started = obey(root, said(one(root, "vm"), "target-role")[1])
    assert one(started).next_node == "g1"


# --- what is under way ---


@pytest.mark.parametrize(("task", "word"), [("start", "start"), ("monitor", "probe")])
def test_action_in_flight_is_told_with_how_long_it_takes_already(task: str, word: str) -> None:
    root = cluster()
    held = history(root, "n2", "db")
    held.append(etree.fromstring(
        f'<lrm_rsc_op id="p" operation_key="db_{task}_0" operation="{task}" interval="0" call-id="-1"'
        f' rc-code="-1" op-status="-1" last-rc-change="{NOW - 30}" transition-key="3:5:0:x"/>'
    ))  # fmt: skip

    sentence, command = said(one(root), "in-flight")

    since = "for 30 s (since 07:59:30 UTC)"
    assert sentence == f"Its {word} on n2 is under way, {since}, at most 20 s."
    assert command == "ninefold events --follow"


@pytest.mark.parametrize("where", ["op", "meta", "template", "defaults"])
def test_action_in_flight_is_told_with_the_limit_that_is_set_for_it(where: str) -> None:
    pairs = '<meta_attributes id="t"><nvpair id="t1" name="timeout" value="90s"/></meta_attributes>'
    timeout = 'timeout="90s"' if where in {"op", "template"} else ""
    op = f'<op id="o" name="start" interval="0" {timeout}>{pairs if where == "meta" else ""}</op>'
    operations = f"<operations>{op}</operations>"
    resource = primitive("db", operations)
    if where == "template":
        template = primitive("t", operations).replace("primitive", "template")
        resource = f'{template}<primitive id="db" template="t"/>'
    root = cluster(resource)
    configuration = root.find("configuration")
    assert configuration is not None
    if where == "defaults":
        configuration.append(etree.fromstring(f"<op_defaults>{pairs}</op_defaults>"))
    held = history(root, "n2", "db")
    held.append(etree.fromstring(
        '<lrm_rsc_op id="p" operation_key="db_start_0" operation="start" interval="0" call-id="-1"'
        ' rc-code="-1" op-status="-1" transition-key="3:5:0:x"/>'
    ))  # fmt: skip

    answer = one(root)

    assert said(answer, "in-flight")[0] == "Its start on n2 is under way, at most 90 s."
    assert answer.verdict.startswith("db is being started on n2, and ")


# --- tickets ---


def test_ticket_that_is_missing_is_told_and_granting_it_lets_the_resource_start() -> None:
    root = cluster(constraints='<rsc_ticket id="t" rsc="db" ticket="T" loss-policy="stop"/>')

    answer = one(root)

    sentence, command = said(answer, "ticket", "n1")
    assert sentence == "Ticket T is not granted here, or is in standby."
    assert command.endswith("ninefold simulate -g T")
    inject(root, [ev.TicketChange("T", granted=True)], NOW)
    assert one(root).next_node == "n1"


# --- failures ---


def failures(count: str, ago: int) -> Mapping[str, str]:
    return {
        "fail-count-db#monitor_10000": count,
        "last-failure-db#monitor_10000": str(NOW - ago),
    }


def test_failures_that_have_expired_are_said_to_be_forgotten() -> None:
    resource = primitive("db", migration_threshold="2", failure_timeout="60s")
    root = cluster(resource, running={"db": "n1"})
    transient(root, "n1", failures("2", 500))

    answer = one(root)

    assert answer.next_node == "n1"
    assert said(answer, "expired")[0] == "Failures of db on n1 are forgotten: it expired."


def test_failures_up_to_the_threshold_are_forgotten_by_cleanup() -> None:
    root = cluster(primitive("db", migration_threshold="2"), running={"db": "n1"})
    transient(root, "n1", failures("2", 50))

    answer = one(root)

    assert answer.next_node != "n1"
    assert said(answer, "migration-threshold")[0] == (
        "db failed 2 times on n1, its migration-threshold is 2."
    )
    after = obey(root, said(answer, "migration-threshold")[1])
    assert [p.score for p in one(after).places] == [0, 0, 0]


def test_fatal_start_failure_is_not_told_as_an_infinite_count() -> None:
    root = cluster()
    inject(root, [ev.OperationResult(OpSpec("db", "start", 0, "n1", 1))], NOW)

    sentence, command = said(one(root), "migration-threshold")

    assert sentence == (
        "db failed to start or stop on n1, which is final (start-failure-is-fatal)."
    )
    assert one(obey(root, command)).places[0].score == 0


def test_member_of_a_group_whose_predecessor_failed_everywhere_leads_to_that_one() -> None:
    root = cluster(f'<group id="g">{primitive("a")}{primitive("b")}{primitive("c")}</group>',
                   running={"a": "n1"})  # fmt: skip
    for node in NODES:
        inject(root, [ev.OperationResult(OpSpec("b", "start", 0, node, 1))], NOW)

    answer = one(root, "c")

    sentence, command = said(answer, "colocation", "n2")
    assert sentence == (
        "It follows b in group g, which is to run nowhere: b: It failed there as often as"
        " migration-threshold allows."
    )
    assert command == "ninefold explain b"
    after = obey(root, said(one(root, "b"), "migration-threshold")[1])
    assert one(after, "c").next_node == "n1"


def test_resource_active_twice_that_must_be_left_alone_asks_for_a_hand() -> None:
    root = cluster(primitive("db", multiple_active="block"), running={"db": "n1"})
    entry = history(root, "n2", "db").find("lrm_rsc_op")
    assert entry is not None
    entry.set("rc-code", "0")

    answer = one(root)

    assert "and stays so: it is blocked after a failure" in answer.verdict
    assert said(answer, "blocked")[1].startswith("stop it by hand on all nodes but one")
    assert said(answer, "multiply-active")[0] == "db is active on n1, n2."
    entry.set("rc-code", "7")
    assert one(root).verdict.startswith("db is started on n1, and stays there.")


# --- constraints ---


def test_rule_that_does_not_hold_now_is_told_with_its_dates() -> None:
    dated = (
        '<rsc_location id="later" rsc="db"><rule id="r" score="100"><date_expression id="d"'
        ' operation="in_range" start="2030-01-01" end="2031-01-01"/></rule></rsc_location>'
    )
    root = cluster(constraints=dated)

    sentence, command = said(one(root), "rule-not-in-effect")

    assert sentence == (
        "Constraint later does not count: its rule does not hold at this time"
        " (start 2030-01-01, end 2031-01-01)."
    )
    edited(command, "later")
    later = explain(root, 1_900_000_000, "db", trials=False)[0]
    assert "rule-not-in-effect" not in [cause.code for cause in later.reasons]
    assert later.places[0].score == 100


def test_ban_with_a_lifetime_is_told_with_its_end_and_can_be_cleared() -> None:
    ban = (
        '<rsc_location id="cli-ban-db-on-n1" rsc="db"><rule id="cli-ban-db-on-n1-rule"'
        ' score="-INFINITY" boolean-op="and"><expression id="e" attribute="#uname" operation="eq"'
        ' value="n1" type="string"/><date_expression id="d" operation="lt"'
        ' end="2027-01-20 12:00:00 +0000"/></rule></rsc_location>'
    )
    root = cluster(constraints=ban)

    sentence, command = said(one(root), "location", "n1")

    assert sentence == (
        "cli-ban-db-on-n1, left by a ban or a move away, keeps it away until 2027-01-20 12:00 UTC."
    )
    assert one(obey(root, command)).places[0].score == 0


def test_chain_of_colocations_is_followed_to_what_keeps_the_last_one_away() -> None:
    root = cluster(
        primitive("db") + primitive("web") + primitive("app"),
        '<rsc_colocation id="apart" rsc="web" with-rsc="db" score="-INFINITY"/>'
        '<rsc_colocation id="together" rsc="app" with-rsc="web" score="INFINITY"/>',
        {"db": "n1", "web": "n2", "app": "n2"},
    )

    answer = one(root, "app")

    assert answer.verdict == "app is started on n2, and stays there. It goes where web goes."
    sentence, command = said(answer, "colocation", "n1")
    assert sentence == (
        "Constraint together (INFINITY) places it with web, which is to be on n2:"
        " apart keeps web away from db."
    )
    edited(command, "together")
    constraint = root.find(".//rsc_colocation[@id='together']")
    assert constraint is not None
    constraint.getparent().remove(constraint)  # type: ignore[union-attr]
    assert [place.score for place in one(root, "app").places] == [0, 0, 0]


def test_what_must_not_be_beside_another_is_told_that_the_other_is_to_be_there() -> None:
    root = cluster(
        primitive("db") + primitive("web"),
        '<rsc_colocation id="apart" rsc="web" with-rsc="db" score="-INFINITY"/>',
        {"db": "n1", "web": "n2"},
    )

    sentence, _ = said(one(root, "web"), "colocation", "n1")

    assert sentence == ("Constraint apart (-INFINITY) keeps it away from db, which is to be there.")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("Mandatory", "ordered"),
        ("Optional", "ordered, optional: only if both are to happen"),
        ("Serialize", "ordered, serialize: not at the same time"),
    ],
)
def test_order_is_told_with_the_constraint_and_what_its_kind_means(kind: str, words: str) -> None:
    order = f'<rsc_order id="ordered" first="web" then="db" kind="{kind}"/>'
    root = cluster(primitive("db") + primitive("web"), order)

    answer = one(root)

    assert answer.waits == (
        f"Its start on n1 waits for the start of web on n2 ({words}) (at most 20 s itself).",
    )


def test_prerequisite_that_is_stopped_is_named_and_can_be_started() -> None:
    order = '<rsc_order id="ordered" first="web" then="db"/>'
    root = cluster(primitive("db") + primitive("web", target_role="Stopped"), order)

    answer = one(root)

    assert "shall be started on n1, but cannot be yet" in answer.verdict
    sentence, command = said(answer, "blocked")
    assert "waits for the start of web" in sentence
    assert command == "ninefold explain web"
    after = one(obey(root, said(one(root, "web"), "target-role")[1]))
    assert "cannot" not in after.verdict
    assert after.waits


# --- clones ---


def test_clone_with_fewer_instances_than_nodes_says_how_many_and_where() -> None:
    root = cluster(clone(primitive("db"), clone_max="2"))

    sentence, command = said(one(root), "clone-max")

    assert sentence == "all has 2 instances in all (clone-max), on n1, n2."
    edited(command, "clone-max of all")
    pair = root.find(".//clone/meta_attributes/nvpair")
    assert pair is not None
    pair.set("value", "3")
    answers = explain(root, NOW, "all", trials=False)
    assert sorted(answer.next_node for answer in answers) == list(NODES)
    assert "clone-max" not in [cause.code for cause in answers[0].reasons]


def test_instance_without_a_promotion_score_says_what_its_agent_has_not_done() -> None:
    root = cluster(clone(primitive("db"), promotable="true"))

    sentence, command = said(one(root), "promotion-score")

    assert sentence.startswith("It has no promotion score on n1:")
    edited(command, "the constraints: a rsc_location of all with role=Promoted and a score")
    constraints = root.find("configuration/constraints")
    assert constraints is not None
    constraints.append(
        etree.fromstring('<rsc_location id="p" rsc="all" role="Promoted" node="n1" score="10"/>')
    )
    assert one(root).next_role == "promoted"


def test_instance_that_is_not_promoted_because_another_comes_first_says_which() -> None:
    root = cluster(clone(primitive("db"), promotable="true"))
    for node, score in zip(NODES, ("5", "10", "-1"), strict=True):
        transient(root, node, {"master-db": score})

    answers = {a.next_node: a for a in explain(root, NOW, "all", trials=False)}

    assert answers["n2"].next_role == "promoted"
    sentence, command = said(answers["n1"], "promoted-max")
    assert sentence == "all promotes 1 at once (promoted-max), and n2 comes first."
    edited(command, "promoted-max of all")
    pairs = root.find(".//clone/meta_attributes")
    assert pairs is not None
    etree.SubElement(pairs, "nvpair", id="pm", name="promoted-max", value="2")
    after = {a.next_node: a.next_role for a in explain(root, NOW, "all", trials=False)}
    assert after == {"n1": "promoted", "n2": "promoted", "n3": "unpromoted"}


# --- nodes and agents ---


def test_node_that_is_joining_is_told_to_be_waited_for() -> None:
    root = cluster()
    state = root.find("status/node_state[@uname='n1']")
    assert state is not None
    state.set("join", "pending")
    state.set("expected", "down")

    answer = one(root)

    assert said(answer, "node-pending", "n1") == ("n1 is joining.", "ninefold status")
    state.set("join", "member")
    state.set("expected", "member")
    assert "node-pending" not in [c.code for place in one(root).places for c in place.obstacles]


@pytest.mark.parametrize(("rc", "nodes"), [(5, ["n1"]), (6, list(NODES))])
def test_agent_that_is_not_installed_or_not_configured_is_told_where_it_counts(
    rc: int, nodes: list[str]
) -> None:
    root = cluster()
    inject(root, [ev.OperationResult(OpSpec("db", "start", 0, "n1", rc))], NOW)

    answer = one(root)

    banned = [p.node for p in answer.places if "hard-error" in [part.code for part in p.parts]]
    assert banned == nodes
    assert said(answer, "hard-error")[0] == f"db cannot run on n1: its start returned {rc} there."
    assert one(obey(root, said(answer, "hard-error")[1])).places[0].score == 0


def test_probe_that_could_not_be_carried_out_keeps_the_resource_away() -> None:
    root = cluster()
    entry = history(root, "n2", "db").find("lrm_rsc_op")
    assert entry is not None
    entry.set("rc-code", "5")

    answer = one(root)

    assert said(answer, "hard-error")[0] == "db cannot run on n2: its probe returned 5 there."
    assert "hard-error" in [part.code for part in answer.places[1].parts]
    assert one(obey(root, said(answer, "hard-error")[1])).places[1].score == 0


# --- who has a say at all ---


@pytest.mark.parametrize(
    ("meta", "sentence"),
    [
        ({"is_managed": "false"}, "is-managed=false of db: the cluster leaves it as it is."),
        ({"maintenance": "true"}, "maintenance=true of db: the cluster leaves it as it is."),
    ],
)
def test_what_is_not_managed_says_by_which_setting(meta: Mapping[str, str], sentence: str) -> None:
    root = cluster(primitive("db", **meta), running={"db": "n1"})

    told, command = said(one(root), "unmanaged")

    assert told == sentence
    name = next(iter(meta)).replace("_", "-")
    edited(command, f"{name} of db")
    pair = root.find(f".//nvpair[@name='{name}']")
    assert pair is not None
    pair.getparent().remove(pair)  # type: ignore[union-attr]
    assert "unmanaged" not in [cause.code for cause in one(root).reasons]


def test_node_that_no_device_covers_is_told_with_what_the_devices_cover() -> None:
    root = cluster(running={"db": "n1"})
    device = root.find(".//primitive[@id='fence']")
    assert device is not None
    device.append(etree.fromstring(
        '<instance_attributes id="f"><nvpair id="f1" name="pcmk_host_list" value="n2,n3"/></instance_attributes>'
    ))  # fmt: skip
    inject(root, [ev.NodeFail("n1")], NOW)

    sentence, command = said(one(root), "unfenceable")

    assert sentence == "No fence device can silence n1 (fence covers n2, n3)."
    edited(command, "pcmk_host_list of a device for n1")
    pair = root.find(".//nvpair[@name='pcmk_host_list']")
    assert pair is not None
    pair.set("value", "n1,n2,n3")
    assert "unfenceable" not in [cause.code for cause in one(root).reasons]


def test_removed_resource_that_goes_on_running_is_never_told_to_be_cleaned_up() -> None:
    # A cleanup would forget it, and it would go on running.
    root = cluster(running={"db": "n1"}, options=option("stop-orphan-resources", "false"))
    element = root.find("configuration/resources/primitive[@id='db']")
    assert element is not None
    element.getparent().remove(element)  # type: ignore[union-attr]

    answer = one(root)

    told = [cause for cause in answer.reasons if cause.code == "removed"]
    assert "cleanup" not in "".join(cause.command for cause in told)
    command = next(cause.command for cause in told if cause.command)
    assert one(obey(root, command)).verdict == "db is started on n1, and shall be stopped."


def test_without_quorum_it_is_said_to_be_stopped_not_to_stay() -> None:
    root = cluster(running={"db": "n1"})
    inject(root, [ev.Quorum(quorate=False)], NOW)

    answer = one(root)

    assert answer.verdict == (
        "db is started on n1, and shall be stopped: its start cannot run: the partition does not"
        " have quorum."
    )


def test_refusals_that_are_handed_on_are_minus_infinity_in_the_sum() -> None:
    root = cluster(
        primitive("db", target_role="Stopped") + primitive("web"),
        '<rsc_colocation id="together" rsc="web" with-rsc="db" score="INFINITY"/>',
    )

    answer = one(root, "web")

    assert {place.score for place in answer.places} == {-INFINITY}
    assert said(answer, "colocation", "n1")[0].endswith(
        "which is to run nowhere: db is wanted stopped."
    )
    assert msgspec.to_builtins(answer)["next_node"] == ""


def ordered_set(score: str, *names: str, own: str = "") -> str:
    inside = "".join(f'<resource_ref id="{name}"/>' for name in names)
    held = f' score="{own}"' if own else ""
    return (
        f'<rsc_colocation id="outer" score="{score}"><resource_set id="set"{held}>{inside}'
        "</resource_set></rsc_colocation>"
    )


@pytest.mark.parametrize(("own", "written"), [("", "100"), ("50", "50")])
def test_set_is_told_with_the_score_that_it_has_or_is_given(own: str, written: str) -> None:
    root = cluster(
        primitive("db") + primitive("web"),
        ordered_set("100", "db", "web", own=own),
        {"db": "n1", "web": "n1"},
    )

    sentence, command = said(one(root, "web"), "colocation", "n1")

    assert sentence == f"Constraint set ({written}) places it with others of its set."
    edited(command, "set")


def test_refusal_that_a_set_hands_on_is_told_as_one_of_its_set() -> None:
    root = cluster(
        primitive("db") + primitive("web") + primitive("app"),
        ordered_set("-INFINITY", "db", "web")
        + '<rsc_colocation id="together" rsc="app" with-rsc="web" score="INFINITY"/>',
        {"db": "n1", "web": "n2", "app": "n2"},
    )

    sentence, _ = said(one(root, "app"), "colocation", "n1")

    assert sentence.endswith("which is to be on n2: set keeps web away from others of its set.")


def test_member_that_only_dislikes_a_node_is_not_said_to_be_forbidden_there() -> None:
    group = f'<group id="all">{primitive("db")}{primitive("web")}</group>'
    root = cluster(
        group,
        '<rsc_location id="dislike" rsc="web" node="n1" score="-50"/>',
        {"db": "n2", "web": "n2"},
    )

    sentence, _ = said(one(root, "db"), "dependent", "n1")

    assert sentence == "web follows it in group all, and is better elsewhere."


def test_what_is_left_where_its_stop_failed_is_not_said_to_be_there_by_its_score() -> None:
    root = cluster(running={"db": "n1"}, options=option("stonith-enabled", "false"))
    inject(root, [ev.OperationResult(OpSpec("db", "stop", 0, "n1", 1))], NOW)
    unseen = history(root, "n2", "db")
    unseen.getparent().remove(unseen)  # type: ignore[union-attr]

    answer = one(root)

    assert [place.score for place in answer.places] == [-INFINITY, 0, 0]
    assert answer.verdict == (
        "db is started on n1, and stays so: it is blocked after a failure, until somebody cleans it up."
    )
