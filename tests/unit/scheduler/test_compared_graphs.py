"""What of a transition graph is compared with that of another engine."""

from __future__ import annotations

from lxml import etree

from tests.crm_simulate import actions, order


def synapse(tag: str, number: int, key: str, *, after: int | None = None, node: str = "") -> str:
    where = f' on_node="{node}"' if node else ""
    trigger = "" if after is None else f'<trigger><rsc_op id="{after}"/></trigger>'
    return (
        f'<synapse id="{number}"><action_set><{tag} id="{number}" operation_key="{key}"{where}/>'
        f"</action_set><inputs>{trigger}</inputs></synapse>"
    )


def graph(*synapses: str) -> etree._Element:
    return etree.fromstring(f"<transition_graph>{''.join(synapses)}</transition_graph>")


def test_points_that_nothing_is_done_before_or_after_are_not_compared() -> None:
    idle = (
        synapse("pseudo_event", 1, "g_stop_0"),
        synapse("pseudo_event", 2, "g_stopped_0", after=1),
    )
    real = synapse("rsc_op", 3, "a_stop_0", node="n1")

    assert actions(graph(*idle, real)) == ("a_stop_0@n1",)


def test_points_between_what_is_done_are_compared() -> None:
    linked = graph(
        synapse("pseudo_event", 1, "g_stop_0"),
        synapse("rsc_op", 2, "a_stop_0", after=1, node="n1"),
        synapse("pseudo_event", 3, "g_stopped_0", after=2),
    )

    assert actions(linked) == ("a_stop_0@n1", "g_stop_0@", "g_stopped_0@")
    assert order(linked) == {
        ("g_stop_0@", "a_stop_0@n1"),
        ("g_stop_0@", "g_stopped_0@"),
        ("a_stop_0@n1", "g_stopped_0@"),
    }
