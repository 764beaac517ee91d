"""Laws of clones and promotable clones that live: engine, controllers and agents in any order.

Whatever nodes are lost, agents fail and operators ask for in the middle of it:

    never more promoted than promoted-max, nor more instances than clone-max, nor more of them on a node
    than clone-node-max, what a lost node may still run counted among them;
    promoted is only what runs, and what is promoted is demoted before it is stopped;
    what must come after another is started after it, and nothing it stands on goes while it runs;
    everybody who is there is told before and after.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ninefold.agents.model import OpStatus
from ninefold.cib import model as cib
from ninefold.controller import requests as rq
from ninefold.scheduler.model import ActionKind
from tests.controller_life import PROMOTED, RUNNING, STOPPED, Life, document

if TYPE_CHECKING:
    from collections.abc import Callable

    from ninefold.cib.document import Cib
    from ninefold.core.ids import NodeId
    from ninefold.scheduler.model import Action, Transition
    from tests.controller_life import Job

NODES = (1, 2, 3)


class Shape(msgspec.Struct):
    """A clone `c` of `db`, or of a group of `db` and `ip`, and a service `app` beside it."""

    promotable: bool = False
    unique: bool = False
    notify: bool = False
    ordered: bool = False
    interleave: bool = False
    group: bool = False
    max: int = 3
    node_max: int = 1
    promoted_max: int = 1
    order: str = ""
    colocated: bool = False
    on_fail: str = ""

    @property
    def members(self) -> tuple[str, ...]:
        """The primitives inside, in their order."""
        return ("db", "ip") if self.group else ("db",)


def _pairs(prefix: str, pairs: dict[str, str]) -> str:
    inner = "".join(
        f'<nvpair id="{prefix}-{name}" name="{name}" value="{value}"/>'
        for name, value in pairs.items()
    )
    return f'<meta_attributes id="{prefix}-meta">{inner}</meta_attributes>'


def _primitive(name: str, shape: Shape) -> str:
    monitors = '<op id="{0}-m" name="monitor" interval="10s"/>'
    if shape.promotable and name != "app":
        monitors = (
            '<op id="{0}-m" name="monitor" interval="10s" role="Promoted"/>'
            '<op id="{0}-n" name="monitor" interval="11s" role="Unpromoted"/>'
        )
    if shape.on_fail and name != "app":
        monitors += f'<op id="{{0}}-d" name="demote" interval="0" on-fail="{shape.on_fail}"/>'
    operations = f"<operations>{monitors.format(name)}</operations>"
    # Without a threshold what fails for ever would be tried for ever.
    meta = _pairs(name, {"migration-threshold": "2"})
    agent = 'class="ocf" provider="sim" type="service"'
    return f'<primitive id="{name}" {agent}>{meta}{operations}</primitive>'


def text(shape: Shape) -> str:
    """Return the document."""
    inner = "".join(_primitive(name, shape) for name in shape.members)
    if shape.group:
        inner = f'<group id="g">{inner}</group>'
    meta = {
        "promotable": str(shape.promotable).lower(),
        "globally-unique": str(shape.unique).lower(),
        "notify": str(shape.notify).lower(),
        "interleave": str(shape.interleave).lower(),
        "clone-max": str(shape.max),
        "clone-node-max": str(shape.node_max),
    }
    if shape.ordered:
        # Not said otherwise: a group inside inherits it, and would have no order.
        meta["ordered"] = "true"
    if shape.promotable:
        meta["promoted-max"] = str(shape.promoted_max)
    constraints = ""
    if shape.order:
        constraints += (
            f'<rsc_order id="o" first="c" first-action="{shape.order}" then="app"'
            ' then-action="start"/>'
        )
    if shape.colocated:
        role = ' with-rsc-role="Promoted"' if shape.promotable else ""
        constraints += f'<rsc_colocation id="k" rsc="app" with-rsc="c"{role} score="INFINITY"/>'
    clone = f'<clone id="c">{_pairs("c", meta)}{inner}</clone>'
    return document(clone + _primitive("app", shape), constraints)


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    """Draw a clone."""
    flag = st.booleans()
    promotable, unique = draw(flag), draw(flag)
    node_max = draw(st.sampled_from([1, 2])) if unique else 1
    return Shape(
        promotable=promotable,
        unique=unique,
        notify=draw(flag),
        ordered=draw(flag),
        interleave=draw(flag),
        group=draw(st.sampled_from([False, False, True])),
        max=draw(st.sampled_from([1, 2, 3, 3, 4])),
        node_max=node_max,
        promoted_max=draw(st.sampled_from([1, 1, 2])),
        order=draw(st.sampled_from(["", "start", "promote"] if promotable else ["", "start"])),
        colocated=draw(flag),
        on_fail=draw(st.sampled_from(["", "", "fence", "block"])) if promotable else "",
    )


class Judge:
    """Looks at what is true at every step of a life."""

    def __init__(self, shape: Shape, life: Life) -> None:
        self.shape = shape
        self.life = life
        # Whose demotion has failed: then it is stopped, or its node fenced, as it is.
        self.stubborn: list[tuple[NodeId, str]] = []
        life.on_launch.append(self.before)
        life.on_change.append(self.after)
        life.on_decision.append(self.decided)

    def instances(self, member: str, node: NodeId, least: int = RUNNING) -> list[str]:
        """Return the instances of a member of the clone that are so much on a node."""
        return [
            name
            for (where, name), role in self.life.roles.items()
            if where == node and name.partition(":")[0] == member and role >= least
        ]

    def everywhere(self, member: str, least: int = RUNNING) -> list[tuple[NodeId, str]]:
        """Return where a member of the clone is so much."""
        return [(node, name) for node in NODES for name in self.instances(member, node, least)]

    def after(self, job: Job) -> None:
        """An agent has changed what is true."""
        shape, member = self.shape, job.call.resource.partition(":")[0]
        if member == "app":
            assert len(self.life.where("app")) <= 1
            return
        key = (job.node, job.call.resource)
        if job.call.action in ("demote", "stop") and key in self.stubborn:
            self.stubborn.remove(key)
        running = self.everywhere(member)
        assert len(running) <= shape.max, running
        assert all(len(self.instances(member, node)) <= shape.node_max for node in NODES)
        if shape.unique:
            names = [name for _, name in running]
            assert len(names) == len(set(names)), running
        assert len(self.everywhere(member, PROMOTED)) <= shape.promoted_max

    def before(self, job: Job) -> None:
        """An agent is about to run."""
        node, name, action = job.node, job.call.resource, job.call.action
        role = self.life.role(node, name)
        if self.life.faults.get((node, name, action)) and action == "demote":
            self.stubborn.append((node, name))
        if action == "promote":
            assert role >= RUNNING, f"{name} is promoted on {node} though it does not run"
        # A probe that fails tells nothing of a role that was forgotten.
        lied = (node, name, "monitor") in self.life.faults
        if action == "stop" and (node, name) not in self.stubborn and not lied:
            assert role < PROMOTED, f"{name} is stopped on {node} while it is promoted"
        if name == "app" or "clone" in job.call.meta:
            # An instance beyond clone-max belongs to nobody, and goes when it can.
            self._order(job)
            self._group(job)

    def _order(self, job: Job) -> None:
        """What `app` stands on is there when it starts, and as long as it runs."""
        shape = self.shape
        least = {"": STOPPED, "start": RUNNING, "promote": PROMOTED}[shape.order]
        if not least:
            return
        last = shape.members[-1]
        action, name = job.call.action, job.call.resource
        if name == "app" and action == "start":
            there = [n for n, _ in self.everywhere(last, least) if n in self.life.members]
            assert there, f"app starts, and nothing of {last} is {shape.order}ed"
            if shape.colocated:
                assert job.node in there, f"app starts on {job.node}, {last} is on {there}"
        ends = {"start": "stop", "promote": "demote"}[shape.order]
        if name.partition(":")[0] in shape.members and action == ends:
            others = [
                key
                for key in self.everywhere(name.partition(":")[0], least)
                if key != (job.node, name)
            ]
            app = [node for node in self.life.where("app") if node in self.life.members]
            # As in Pacemaker, `app` alone does not follow the promoted role from node to node.
            alone = not others and shape.order == "start"
            alone = alone or (shape.colocated and job.node in app)
            # What has failed is gone already: Pacemaker does not stop for its recovery what stands on it.
            failed = (job.node, name, "monitor") in self.life.faults
            if alone and not failed and self.life.role(job.node, name) >= least:
                assert not app, f"{action} of {name} on {job.node} while app runs on {app}"

    def _group(self, job: Job) -> None:
        """Inside a group the second runs only where the first does."""
        if not self.shape.group:
            return
        member, _, number = job.call.resource.partition(":")
        other = {"db": "ip", "ip": "db"}.get(member, "")
        mate = f"{other}:{number}" if number else other
        if (member, job.call.action) == ("ip", "start"):
            assert self.life.role(job.node, mate) >= RUNNING
        if (member, job.call.action) == ("db", "stop"):
            assert self.life.role(job.node, mate) == STOPPED

    def decided(self, document: Cib, transition: Transition) -> None:
        """Everybody is told before and after, by the order of the transition itself.

        While anything is under way a decision may only fence: what else it says is not carried out.
        """
        pending = any(
            operation.op_status == OpStatus.PENDING
            for node in NODES
            for operation in document.operations(node)
        )
        if self.shape.notify and not pending:
            check_notices(transition, self.shape)


def check_notices(transition: Transition, shape: Shape) -> None:
    """Whoever is active on a node that answers is told before any instance changes, and after.

    An instance beyond clone-max belongs to nobody: it is neither told nor told about. Who starts is
    told afterwards only, who stops only before.
    """
    by_id = {action.id: action for action in transition.actions}
    able = {view.name for view in transition.nodes if view.online and not view.unclean}
    changes = [
        action
        for action in transition.actions
        if action.kind is ActionKind.RESOURCE
        and action.task in ("start", "stop", "promote", "demote")
        and action.resource.partition(":")[0] in shape.members
        and "clone" in action.meta
    ]
    strangers = {
        key_of(action)
        for action in transition.actions
        if action.task == "stop" and "clone" not in action.meta
    }
    active = {
        (placement.resource.partition(":")[0], node)
        for placement in transition.placements
        for node in placement.nodes
        if node in able
        and placement.resource.partition(":")[0] in shape.members
        and (placement.resource.partition(":")[0], node) not in strangers
    }
    starting = {key_of(action) for action in changes if action.task == "start"}
    stopping = {key_of(action) for action in changes if action.task == "stop"}
    for change in changes:
        rising = change.task in ("start", "promote")
        before = notices(ancestors(by_id, change), "pre", change.task)
        after = notices(descendants(transition, change), "post", change.task)
        mine = {one for one in active if one[0] == key_of(change)[0]}
        untold = mine - before - (starting | stopping if rising else set())
        assert not untold, f"{change.key} on {change.node}: {untold} are not told before"
        untold = mine - after - stopping
        assert not untold, f"{change.key} on {change.node}: {untold} are not told after"


def key_of(action: Action) -> tuple[str, str]:
    """Return which member of the clone an action is about, and on which node."""
    return action.resource.partition(":")[0], action.node


def notices(actions: list[Action], kind: str, task: str) -> set[tuple[str, str]]:
    """Return who is told so among these actions."""
    return {
        key_of(action)
        for action in actions
        if action.task == "notify"
        and action.meta.get("notify_type") == kind
        and action.meta.get("notify_operation") == task
    }


def descendants(transition: Transition, action: Action) -> list[Action]:
    """Return everything that waits for an action, directly or not."""
    found = {action.id}
    waiting = list(transition.actions)
    while True:
        more = [one for one in waiting if one.id not in found and found.intersection(one.inputs)]
        if not more:
            break
        found.update(one.id for one in more)
    return [one for one in transition.actions if one.id in found and one is not action]


def ancestors(by_id: dict[int, Action], action: Action) -> list[Action]:
    """Return everything that an action waits for, directly or not."""
    found: dict[int, Action] = {}
    todo = list(action.inputs)
    while todo:
        number = todo.pop()
        if number not in found and number in by_id:
            found[number] = by_id[number]
            todo += by_id[number].inputs
    return list(found.values())


class Moves:
    """What happens to the cluster while it is at work."""

    def __init__(
        self, draw: Callable[[st.SearchStrategy[Any]], Any], life: Life, shape: Shape
    ) -> None:
        self.life = life
        self.shape = shape
        self._draw = draw

    def lose(self) -> None:
        """A node is gone, the two others go on."""
        if len(self.life.members) == len(NODES):
            gone = self._draw(st.sampled_from(NODES))
            self.life.story.append(f"{gone} is lost")
            self.life.configure([node for node in NODES if node != gone])

    def come_back(self) -> None:
        """The lost node is there again, as it was or as it begins after a power cut."""
        gone = [node for node in NODES if node not in self.life.members]
        for node in gone:
            self.life.story.append(f"{node} is back")
            self.life.power_off(node)
            self.life.boot(node)
        if gone:
            self.life.configure(NODES)

    def fail(self) -> None:
        """From now on an action fails on a node."""
        node = self._draw(st.sampled_from(NODES))
        action = self._draw(st.sampled_from(["start", "promote", "demote", "notify", "monitor"]))
        names = [f"{m}{n}" for m in self.shape.members for n in (["", ":0", ":1"])]
        for name in names:
            self.life.faults[(node, name, action)] = 1
        self.life.story.append(f"{action} fails on {node}")

    def mend(self) -> None:
        """Everything works again, and the failures are forgotten."""
        self.life.faults.clear()
        self.life.ask(self.life.members[0], rq.ChangeCib(cib.ForgetHistory()))
        self.life.story.append("cleanup")

    def standby(self) -> None:
        """A node must run nothing."""
        node, value = self._draw(st.sampled_from(NODES)), self._draw(st.sampled_from(["on", "off"]))
        change = cib.SetNodeAttribute(f"n{node}", "standby", value)
        self.life.ask(self.life.members[0], rq.ChangeCib(change))
        self.life.story.append(f"standby of {node} is {value}")

    def rescore(self) -> None:
        """An agent thinks better, or worse, of a node."""
        node = self._draw(st.sampled_from(self.life.members))
        value = self._draw(st.sampled_from(["1", "50", "-INFINITY", None]))
        self.life.ask(node, rq.SetAttribute("master-db", value))
        self.life.story.append(f"the score of {node} is {value}")

    def shrink(self) -> None:
        """An operator wants fewer, or more."""
        which = self._draw(st.sampled_from(["clone-max", "promoted-max", "target-role"]))
        values = {"clone-max": ["1", "2", "3"], "promoted-max": ["1"], "target-role": ["Stopped", "Started", "Unpromoted"]}  # fmt: skip
        value = self._draw(st.sampled_from(values[which]))
        if which == "clone-max":
            value = str(min(int(value), self.shape.max))
        self.life.ask(self.life.members[0], rq.ChangeCib(cib.SetMetaAttribute("c", which, value)))
        self.life.story.append(f"{which} is {value}")

    def any(self) -> Callable[[], None]:
        """Return one of them."""
        move: Callable[[], None] = self._draw(
            st.sampled_from(
                [self.lose, self.come_back, self.fail, self.mend, self.standby, self.rescore,
                 self.shrink]
            )
        )  # fmt: skip
        return move


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), shapes())
def test_roles_and_numbers_hold_whatever_happens_in_the_middle(
    data: st.DataObject, shape: Shape
) -> None:
    scores = data.draw(st.lists(st.sampled_from([0, 5, 10, 100]), min_size=3, max_size=3))
    life = Life(3, text(shape), scores=scores)
    Judge(shape, life)
    moves = Moves(data.draw, life, shape)
    seed = data.draw(st.randoms(use_true_random=False))

    life.begin()
    for _ in range(data.draw(st.integers(0, 4))):
        life.settle(seed.randrange, steps=data.draw(st.integers(0, 30)))
        moves.any()()
        life.drain()
    settled = life.settle(seed.randrange)

    assert settled, life.story[-60:]
