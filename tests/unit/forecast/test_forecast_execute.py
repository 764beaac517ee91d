"""A transition carried out on a document."""

from __future__ import annotations

from lxml import etree

from ninefold.forecast import events as ev
from ninefold.forecast import summary
from ninefold.forecast.events import inject
from ninefold.forecast.execute import execute, settle
from ninefold.forecast.opspec import OpSpec
from ninefold.scheduler import observe, schedule_document
from ninefold.scheduler.model import ActionKind
from tests.forecast_world import NOW, cluster

GROUP = (
    '<group id="g"><primitive id="ip" class="ocf" provider="heartbeat" type="Dummy"/>'
    '<primitive id="web" class="ocf" provider="heartbeat" type="Dummy"/></group>'
)


def where(root: etree._Element) -> dict[str, tuple[str, ...]]:
    return {p.resource: p.nodes for p in schedule_document(root, NOW).placements}


def test_what_is_to_start_runs_after_it_and_the_document_given_is_as_it_was() -> None:
    root = cluster(GROUP)
    before = etree.tostring(root)
    transition = schedule_document(root, NOW)

    done = execute(root, transition, NOW)

    assert etree.tostring(root) == before
    assert not done.stuck
    assert where(root)["web"] == ()
    placements = where(done.document)
    assert placements["ip"] == placements["web"] != ()
    assert schedule_document(done.document, NOW).actions == ()


def test_every_action_comes_after_all_that_it_waits_for() -> None:
    root = cluster(GROUP, running={"ip": "n1", "web": "n1"})
    inject(root, [ev.NodeFail("n1")], NOW)
    transition = schedule_document(root, NOW)

    done = execute(root, transition, NOW)

    order = [step.action.id for step in done.steps]
    assert sorted(order) == [action.id for action in transition.actions]
    for place, step in enumerate(done.steps):
        assert all(one in order[:place] for one in step.action.inputs)
    fenced = [s.action.node for s in done.steps if s.action.kind is ActionKind.FENCING]
    assert fenced == ["n1"]
    assert where(done.document)["web"] not in ((), ("n1",))


def test_failing_operation_ends_the_transition_and_is_counted() -> None:
    root = cluster(GROUP, running={"ip": "n1", "web": "n1"})
    inject(root, [ev.OperationResult(OpSpec("ip", "monitor", 10_000, "n1", 7))], NOW)
    transition = schedule_document(root, NOW)

    done = execute(root, transition, NOW, [OpSpec("web", "stop", 0, "n1", 1)])

    assert done.failed
    assert [s.action.key for s in done.steps if s.rc is not None] == ["web_stop_0"]
    assert "ip_stop_0" in [action.key for action in done.stuck]
    # A failed stop has the node fenced: only then is it known to be stopped.
    after = schedule_document(done.document, NOW)
    assert [a.node for a in after.actions if a.kind is ActionKind.FENCING] == ["n1"]


def test_story_ends_settled_on_another_node_after_start_failures() -> None:
    root = cluster()
    failing = [OpSpec("db", "start", 0, "n1", 1), OpSpec("db", "start", 0, "n2", 1)]

    story = settle(root, NOW, failing)

    assert story.settled
    assert where(story.document)["db"] == ("n3",)


def test_node_that_shuts_down_is_gone_after_its_stops() -> None:
    root = cluster(running={"db": "n1"})
    state = root.find("status/node_state")
    assert state is not None
    state.append(
        etree.fromstring(
            '<transient_attributes id="1"><instance_attributes id="t">'
            f'<nvpair id="s" name="shutdown" value="{NOW}"/></instance_attributes>'
            "</transient_attributes>"
        )
    )

    story = settle(root, NOW)

    assert story.settled
    assert [n.name for n in story.final.nodes if not n.online] == ["n1"]
    assert not any(n.unclean for n in story.final.nodes)
    assert where(story.document)["db"][0] in ("n2", "n3")


def test_summary_shows_state_decision_steps_and_the_state_after() -> None:
    root = cluster(GROUP, running={"ip": "n1", "web": "n1"})
    inject(root, [ev.NodeFail("n1")], NOW)
    transition = schedule_document(root, NOW)
    done = execute(root, transition, NOW)

    text = summary.text(
        summary.before_lines(observe(root, NOW)),
        summary.decision_lines(transition),
        summary.step_lines(done.steps),
        summary.state_lines(observe(done.document, NOW)),
    )

    assert "  * Node List:\n    * Node n1: UNCLEAN (offline)\n    * Online: [ n2 n3 ]\n" in text
    assert (
        "    * Resource Group: g:\n      * ip\t(ocf:heartbeat:Dummy):\t Started n1 (UNCLEAN)"
        in text
    )
    assert "  * Fence (reboot) n1" in text
    assert "  * Move       ip      ( n1 -> n" in text
    assert "  * Fencing n1 (reboot)\n" in text
    assert "    * OFFLINE: [ n1 ]\n" in text.partition("Revised Cluster Status:")[2]
