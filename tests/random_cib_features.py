"""What `tests/random_cib.py` can put into a draft: a function for each feature of the policy engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.random_cib import NODES, NOW, Draft, Primitive, Top, operation, ran, tell

if TYPE_CHECKING:
    from collections.abc import Callable

_FINITE: Final = ("-50", "-10", "10", "50", "100")


def groups(draft: Draft) -> None:
    """A group of two or three."""
    members = [Primitive(f"g{number}") for number in range(1, draft.chance.randint(3, 4))]
    draft.add(Top("g", members, group="g"))


def clones(draft: Draft) -> None:
    """A clone, and a clone of a group."""
    for name, group in (("k", ""), ("q", "qg")):
        members = [Primitive(f"{name}{number}") for number in range(1, 3 if group else 2)]
        meta = draft.some(
            interleave=(0.5, ("true", "false")),
            ordered=(0.3, ("true", "false")),
            notify=(0.3, ("true", "false")),
            clone_max=(0.6, ("1", "2", "3", "4")),
            clone_min=(0.15, ("1", "2")),
            resource_stickiness=(0.2, ("0", "10")),
        )
        draft.add(Top(name, members, group=group, clone=True, meta=meta))


def promotable(draft: Draft) -> None:
    """A clone with two roles, and promotion scores."""
    meta = {"promotable": "true"} | draft.some(
        interleave=(0.5, ("true",)),
        notify=(0.3, ("true",)),
        clone_max=(0.3, ("1", "2", "3")),
        promoted_max=(0.3, ("0", "1", "2")),
        target_role=(0.15, ("Started", "Stopped", "Unpromoted", "Promoted")),
    )
    top = Top("p", [Primitive("p1", agent="Stateful")], clone=True, meta=meta)
    draft.add(top)
    member = top.members[0]
    running = [node for node in NODES if ran(member, node)]
    for node in running:
        if draft.maybe(0.8):
            draft.transient[node]["master-p1"] = draft.pick(
                "5", "10", "10", "100", "-1", "INFINITY"
            )
    if running and draft.maybe(0.7):
        tell(member, draft.pick(*running), active=True, role="Promoted")
    if draft.maybe(0.4):
        member.operations = {
            "p1-slow": {"name": "monitor", "interval": "10s", "timeout": "20s"},
            "p1-fast": {
                "name": "monitor", "interval": "9s", "timeout": "20s", "role": "Promoted",
            },
        }  # fmt: skip


def locations(draft: Draft) -> None:
    """Preferences for nodes, with roles, patterns and discovery."""
    for number in range(draft.chance.randint(1, 4)):
        top = draft.pick(*draft.tops)
        score = draft.pick("INFINITY", "-INFINITY", *_FINITE)
        more = draft.pick("", "", 'resource-discovery="never"', 'resource-discovery="exclusive"')
        if draft.tops[top].promotable and draft.maybe(0.5):
            more = f'role="{draft.pick("Promoted", "Started", "Unpromoted")}"'
        subject = f'rsc-pattern="^{top}"' if draft.maybe(0.1) else f'rsc="{top}"'
        draft.constraints.append(
            f'<rsc_location id="l{number}" {subject} node="{draft.pick(*NODES)}" score="{score}" {more}/>'
        )


def orders(draft: Draft) -> None:
    """Orders of all kinds between two, also of promotions and stops."""
    for number in range(draft.chance.randint(1, 3)):
        first, then = draft.two()
        words = {"first": first.name, "then": then.name}
        words |= draft.some(
            kind=(0.6, ("Mandatory", "Optional", "Serialize")),
            symmetrical=(0.2, ("false",)),
            require_all=(0.1, ("false",)),
        )
        if words.get("kind") == "Serialize":
            words.pop("symmetrical", None)
        for side, top in (("first", first), ("then", then)):
            if top.promotable and draft.maybe(0.6):
                words[f"{side}-action"] = draft.pick("promote", "promote", "demote", "start")
            elif draft.maybe(0.1):
                words[f"{side}-action"] = draft.pick("start", "stop")
        draft.constraints.append(f'<rsc_order id="o{number}" {_words(words)}/>')


def order_sets(draft: Draft) -> None:
    """An order of two or three sets."""
    words = draft.some(
        kind=(0.5, ("Mandatory", "Optional", "Serialize")), symmetrical=(0.1, ("false",))
    )
    if words.get("kind") == "Serialize":
        words.pop("symmetrical", None)
    sets = _sets(draft, "os", action=True)
    draft.constraints.append(f'<rsc_order id="os" {_words(words)}>{sets}</rsc_order>')


def colocations(draft: Draft) -> None:
    """Who shall be with whom, or apart, by roles, by an attribute, with or without influence."""
    for number in range(draft.chance.randint(1, 3)):
        primary, dependent = draft.two()
        words = {"rsc": dependent.name, "with-rsc": primary.name}
        words["score"] = draft.pick("INFINITY", "INFINITY", "-INFINITY", *_FINITE)
        words |= draft.some(influence=(0.1, ("true", "false")))
        if draft.maybe(0.1):
            words["node-attribute"] = "site"
            for place, node in zip("xxy", NODES, strict=True):
                draft.attributes[node]["site"] = place
        for side, top in (("rsc-role", dependent), ("with-rsc-role", primary)):
            if top.promotable and draft.maybe(0.6):
                words[side] = draft.pick("Promoted", "Promoted", "Unpromoted", "Started")
        draft.constraints.append(f'<rsc_colocation id="c{number}" {_words(words)}/>')


def colocation_sets(draft: Draft) -> None:
    """A colocation of sets."""
    score = draft.pick("INFINITY", "INFINITY", "100", "10", "-INFINITY", "-10")
    sets = _sets(draft, "cs", action=False)
    draft.constraints.append(f'<rsc_colocation id="cs" score="{score}">{sets}</rsc_colocation>')


def tickets(draft: Draft) -> None:
    """What may only be where a ticket is."""
    for name in ("T", "U")[: draft.chance.randint(1, 2)]:
        state = draft.some(
            granted=(0.8, ("true", "false")), standby=(0.3, ("true", "false")),
            last_granted=(0.5, (str(NOW - 900),)),
        )  # fmt: skip
        if draft.maybe(0.85):
            draft.tickets.append(f'<ticket_state id="{name}" {_words(state)}/>')
        loss = draft.some(loss_policy=(0.8, ("stop", "demote", "fence", "freeze")))
        if draft.maybe(0.2):
            one, other = draft.two()
            refs = f'<resource_ref id="{one.name}"/><resource_ref id="{other.name}"/>'
            inner = f'<resource_set id="ts{name}">{refs}</resource_set>'
            draft.constraints.append(
                f'<rsc_ticket id="t{name}" ticket="{name}" {_words(loss)}>{inner}</rsc_ticket>'
            )
            continue
        top = draft.tops[draft.pick(*draft.tops)]
        role = f'rsc-role="{draft.pick("Promoted", "Started")}"' if top.promotable else ""
        draft.constraints.append(
            f'<rsc_ticket id="t{name}" ticket="{name}" rsc="{top.name}" {role} {_words(loss)}/>'
        )


def health(draft: Draft) -> None:
    """Nodes that do not feel well."""
    strategy = draft.pick("none", "migrate-on-red", "only-green", "progressive", "custom")
    draft.options["node-health-strategy"] = strategy
    draft.options |= draft.some(
        node_health_base=(0.3, ("10", "-5")),
        node_health_red=(0.2, ("-100", "-INFINITY")),
        node_health_yellow=(0.2, ("-10", "0")),
        node_health_green=(0.2, ("5", "0")),
    )
    for node in NODES:
        for name in ("#health-disk", "#health-heat"):
            if draft.maybe(0.5):
                where = draft.pick("kept", "transient")
                values = ("red", "yellow", "green", "green", "7", "-7")
                (draft.attributes if where == "kept" else draft.transient)[node][name] = draft.pick(
                    *values
                )
    for top in draft.tops.values():
        if not top.clone and not top.group and draft.maybe(0.15):
            top.members[0].meta["allow-unhealthy-nodes"] = "true"


def rules(draft: Draft) -> None:
    """Locations, parameters and meta attributes that hold at some times and places."""
    for node in NODES:
        draft.attributes[node] |= draft.some(
            rack=(0.7, ("1", "2", "10", "a")),
            weight=(0.5, ("5", "-5", "30")),
            os=(0.5, ("linux", "Linux")),
        )
    for number in range(draft.chance.randint(1, 3)):
        top = draft.pick(*draft.tops)
        rule = _rule(draft, f"lr{number}", location=True)
        draft.constraints.append(f'<rsc_location id="r{number}" rsc="{top}">{rule}</rsc_location>')
    for one in draft.primitives():
        if draft.maybe(0.2):
            rule = _rule(draft, f"{one.name}-mr", location=False)
            name, value = draft.chance.choice(
                [("target-role", "Stopped"), ("resource-stickiness", "60"), ("priority", "3")]
            )
            one.extra.append(
                f'<meta_attributes id="{one.name}-ruled" score="{draft.pick("1", "2")}">{rule}'
                f'<nvpair id="{one.name}-ruled-{name}" name="{name}" value="{value}"/></meta_attributes>'
            )


def utilization(draft: Draft) -> None:
    """Needs and capacities under each placement strategy."""
    draft.options["placement-strategy"] = draft.pick(
        "default", "utilization", "minimal", "balanced"
    )
    # Which of two nodes has more room goes by the majority of attributes. With more than one, that may
    # go round in a circle, and the answer comes from the order in which somebody happens to sort.
    two = draft.options["placement-strategy"] in {"default", "minimal"}
    for node in NODES:
        draft.capacity[node] = draft.some(cpu=(0.9, ("2", "4", "8")))
        draft.capacity[node] |= draft.some(memory=(0.7, ("2", "4", "8"))) if two else {}
    for one in draft.primitives():
        one.utilization = draft.some(cpu=(0.7, ("1", "2", "3")), memory=(0.4, ("1", "2")))
        one.meta |= draft.some(priority=(0.2, ("1", "5")))


def migration(draft: Draft) -> None:
    """Resources that move alive, and moves that were cut short."""
    for top in draft.tops.values():
        if top.clone or top.group or not draft.maybe(0.7):
            continue
        one = top.members[0]
        one.meta["allow-migrate"] = "true"
        if draft.maybe(0.5):
            draft.constraints.append(
                f'<rsc_location id="m-{one.name}" rsc="{one.name}" node="{draft.pick(*NODES)}"'
                f' score="{draft.pick("INFINITY", "100")}"/>'
            )
        if draft.maybe(0.35):
            _moved(draft, one)


def failures(draft: Draft) -> None:
    """Operations that failed, or have not ended, and what is thought of that."""
    for one in draft.primitives():
        one.meta |= draft.some(
            migration_threshold=(0.15, ("1", "2")), failure_timeout=(0.2, ("100s", "1h"))
        )
        if draft.maybe(0.3):
            on_fail = draft.some(
                on_fail=(0.7, ("ignore", "block", "stop", "restart", "standby", "fence", "demote"))
            )
            if on_fail.get("on-fail") == "demote" and one.agent != "Stateful":
                on_fail = {}
            words = {"name": "monitor", "interval": "10s", "timeout": "20s"} | on_fail
            one.operations = {f"{one.name}-mon": words}
        for node in NODES:
            if draft.maybe(0.15):
                _failed(draft, one, node)


def maintenance(draft: Draft) -> None:
    """What is left alone at all scopes."""
    match draft.pick("cluster", "node", "resource", "resource", "unmanaged", "unmanaged"):
        case "cluster":
            draft.options["maintenance-mode"] = "true"
        case "node":
            draft.attributes[draft.pick(*NODES)]["maintenance"] = "true"
        case "resource":
            _set_meta(draft, "maintenance", "true")
        case _:
            _set_meta(draft, "is-managed", "false")


def standing(draft: Draft) -> None:
    """Nodes that are in standby, on their way out or in, gone, or lost; and quorum."""
    for node in draft.chance.sample(NODES, draft.chance.randint(1, 2)):
        match draft.pick("standby", "standby", "shutdown", "lost", "left", "joining"):
            case "standby":
                draft.attributes[node]["standby"] = "on"
            case "shutdown":
                draft.transient[node]["shutdown"] = str(NOW - 20)
            case other if node != "n3":
                draft.standing[node] = other
            case _:
                pass
    draft.options |= draft.some(
        stonith_enabled=(0.2, ("false",)), no_quorum_policy=(0.4, ("stop", "ignore", "freeze", "demote")),
        shutdown_lock=(0.15, ("true",)), startup_fencing=(0.1, ("false",)),
        concurrent_fencing=(0.5, ("true", "false")), priority_fencing_delay=(0.1, ("15s",)),
    )  # fmt: skip
    draft.quorum = draft.maybe(0.85)


def wishes(draft: Draft) -> None:
    """Roles, priorities, stickiness, several active, defaults, options for all."""
    for _ in range(draft.chance.randint(1, 3)):
        name, values = draft.chance.choice(
            [
                ("target-role", ("Stopped", "Started")),
                ("priority", ("1", "10")),
                ("resource-stickiness", ("1", "100", "INFINITY", "-5")),
                ("multiple-active", ("stop_start", "stop_only", "block", "stop_unexpected")),
                ("requires", ("nothing", "quorum", "fencing")),
                ("critical", ("false",)),
            ]
        )
        _set_meta(draft, name, draft.pick(*values))
    draft.options |= draft.some(
        symmetric_cluster=(0.1, ("false",)), stop_all_resources=(0.05, ("true",)),
        stop_orphan_resources=(0.1, ("false",)),
    )  # fmt: skip
    if draft.maybe(0.3):
        one = draft.chance.choice(
            [t.members[0] for t in draft.tops.values() if not t.clone and not t.group]
        )
        for node in draft.chance.sample(NODES, 2):
            tell(one, node, active=True)
    if draft.maybe(0.3):
        stickiness = (
            f'<nvpair id="rd-s" name="resource-stickiness" value="{draft.pick("1", "30")}"/>'
        )
        draft.defaults.append(
            f'<rsc_defaults><meta_attributes id="rd">{stickiness}</meta_attributes></rsc_defaults>'
        )


def unknown(draft: Draft) -> None:
    """Resources that nobody has looked for yet, monitors that exist, parameters that have changed."""
    for one in draft.primitives():
        for node in NODES:
            if draft.maybe(0.2):
                one.history.pop(node, None)
            elif ran(one, node) and draft.maybe(0.4):
                one.history[node].append(operation(one, "monitor", interval_ms=10_000, call=2))
        if draft.maybe(0.4):
            one.operations = {
                f"{one.name}-mon": {
                    "name": "monitor", "interval": draft.pick("10s", "10s", "15s"),
                    "timeout": draft.pick("20s", "20s", "30s"),
                }
            }  # fmt: skip
        if draft.maybe(0.15):
            one.parameters["level"] = "2"


FEATURES: Final[dict[str, Callable[[Draft], None]]] = {
    # What makes resources comes first, what speaks of them after it.
    "groups": groups,
    "clones": clones,
    "promotable": promotable,
    "unknown": unknown,
    "wishes": wishes,
    "locations": locations,
    "orders": orders,
    "order-sets": order_sets,
    "colocations": colocations,
    "colocation-sets": colocation_sets,
    "tickets": tickets,
    "health": health,
    "rules": rules,
    "utilization": utilization,
    "migration": migration,
    "failures": failures,
    "maintenance": maintenance,
    "standing": standing,
}


def _words(words: dict[str, str]) -> str:
    return " ".join(f'{name}="{value}"' for name, value in words.items())


def _set_meta(draft: Draft, name: str, value: str) -> None:
    top = draft.tops[draft.pick(*draft.tops)]
    if top.clone:
        top.meta[name] = value
    elif top.group:
        top.group_meta[name] = value
    else:
        top.members[0].meta[name] = value


def _sets(draft: Draft, owner: str, *, action: bool) -> str:
    """Return two or three sets of resources, each named once, in the order of their making."""
    names = list(draft.tops)
    if not action:
        names.reverse()
    chosen = [name for name in names if draft.maybe(0.7)]
    if len(chosen) < 2:
        chosen = names[:2]
    cut = draft.chance.randint(1, len(chosen) - 1)
    parts = [chosen[:cut], chosen[cut:]]
    made = []
    for number, part in enumerate(parts):
        words = draft.some(sequential=(0.5, ("true", "false")))
        if action and words.get("sequential") == "false":
            words |= draft.some(require_all=(0.5, ("true", "false")))
        if any(draft.tops[name].promotable for name in part) and len(part) == 1:
            words |= (
                draft.some(action=(0.6, ("promote", "demote", "start")))
                if action
                else draft.some(role=(0.6, ("Promoted", "Unpromoted", "Started")))
            )
        refs = "".join(f'<resource_ref id="{name}"/>' for name in part)
        made.append(f'<resource_set id="{owner}{number}" {_words(words)}>{refs}</resource_set>')
    return "".join(made)


def _rule(draft: Draft, name: str, *, location: bool) -> str:
    parts = [
        _condition(draft, f"{name}-{number}", location=location)
        for number in range(draft.chance.randint(1, 2))
    ]
    words = draft.some(boolean_op=(0.5, ("and", "or")))
    if location:
        score = draft.pick("INFINITY", "-INFINITY", *_FINITE)
        words |= {"score-attribute": "weight"} if draft.maybe(0.15) else {"score": score}
    return f'<rule id="{name}" {_words(words)}>{"".join(parts)}</rule>'


def _condition(draft: Draft, name: str, *, location: bool) -> str:
    if location and draft.maybe(0.6):
        operation_ = draft.pick("eq", "ne", "lt", "lte", "gt", "gte", "defined", "not_defined")
        attribute = draft.pick("rack", "os", "weight", "#uname", "nowhere")
        words = {"attribute": attribute, "operation": operation_}
        if "defined" not in operation_:
            words["value"] = draft.pick("1", "2", "10", "a", "linux", "n1", "5")
            words |= draft.some(type=(0.4, ("string", "integer", "number")))
            if words["value"].isdigit() and attribute == "rack":
                words |= draft.some(type=(0.1, ("version",)))
        return f'<expression id="{name}" {_words(words)}/>'
    head = f'<date_expression id="{name}"'
    # 2027-01-15 08:00:00 UTC, a Friday.
    match draft.pick("in_range", "lt", "gt", "duration", "date_spec"):
        case "in_range":
            start, end = (
                draft.pick("2027-01-01", "2027-02-01"),
                draft.pick("2027-01-10", "2027-03-01"),
            )
            return f'{head} operation="in_range" start="{start}" end="{end}"/>'
        case "lt":
            return f'{head} operation="lt" end="{draft.pick("2027-01-15 09:00:00Z", "2027-01-15 07:00:00Z")}"/>'
        case "gt":
            return f'{head} operation="gt" start="{draft.pick("2027-01-15 09:00:00Z", "2027-01-15 07:00:00Z")}"/>'
        case "duration":
            length = draft.pick('months="1"', 'weeks="3"', 'days="14"', 'hours="400"', 'years="1"')
            start = draft.pick(
                "2026-12-15 08:00:00Z", "2027-01-01 00:00:00Z", "2026-12-24 00:00:00Z"
            )
            inner = f'<duration id="{name}-d" {length}/>'
            return f'{head} operation="in_range" start="{start}">{inner}</date_expression>'
        case _:
            spec = draft.pick(
                'hours="8"', 'hours="9-17"', 'weekdays="1-5"', 'weekdays="6-7"', 'months="1"', 'monthdays="15-20"',
                'yeardays="15"', 'weeks="2"', 'weekyears="2027"', 'years="2026" hours="0-23"',
            )  # fmt: skip
            return (
                f'{head} operation="date_spec"><date_spec id="{name}-s" {spec}/></date_expression>'
            )


def _moved(draft: Draft, one: Primitive) -> None:
    """Let a move be half done: begun, begun and arrived, or failed at either end."""
    source, target = draft.chance.sample(NODES, 2)
    for node in NODES:
        tell(one, node, active=node == source)
    ways = {"migrate_source": source, "migrate_target": target}
    kind = draft.pick("begun", "sent", "arrived", "failed-to", "failed-from")
    if kind == "begun":
        one.history[source] = [
            operation(one, "migrate_to", rc=193, status=-1, call=-1, age_s=60, ways=ways)
        ]
        return
    rc = 1 if kind == "failed-to" else 0
    one.history[source] = [operation(one, "migrate_to", rc=rc, call=3, age_s=60, ways=ways)]
    if kind in {"arrived", "failed-from"}:
        rc = 1 if kind == "failed-from" else 0
        one.history[target] = [operation(one, "migrate_from", rc=rc, call=3, age_s=55, ways=ways)]


def _failed(draft: Draft, one: Primitive, node: str) -> None:
    task = draft.pick("monitor", "monitor", "start", "stop", "probe", "pending")
    age_s = draft.chance.choice([30, 200, 5000])
    rc = draft.chance.choice([1, 1, 7, 5, 2, 6])
    if task == "monitor" and ran(one, node):
        one.history[node].append(
            operation(one, "monitor", interval_ms=10_000, rc=rc, call=2, age_s=age_s)
        )
        kind = "monitor_10000"
    elif task == "start":
        one.history[node] = [operation(one, "start", rc=1 if rc == 7 else rc, age_s=age_s)]
        kind = "start_0"
    elif task == "stop" and ran(one, node):
        one.history[node] = [operation(one, "stop", rc=1, call=2, age_s=age_s)]
        kind = "stop_0"
    elif task == "probe":
        one.history[node] = [
            operation(one, "monitor", rc=rc if rc != 7 else 0, expected=7, age_s=age_s)
        ]
        kind = "monitor_0"
    else:
        # Begun, and not heard of again.
        task = draft.pick("start", "monitor")
        expected = 7 if task == "monitor" else 0
        one.history[node] = [
            operation(one, task, rc=193, expected=expected, status=-1, call=-1, age_s=age_s)
        ]
        return
    if draft.maybe(0.8):
        fatal = kind in {"start_0", "stop_0"}
        draft.transient[node][f"fail-count-{one.name}#{kind}"] = (
            "INFINITY" if fatal else draft.pick("1", "2")
        )
        draft.transient[node][f"last-failure-{one.name}#{kind}"] = str(NOW - age_s)
