"""The timing chain: every timeout that must outlast another, one inequality a row.

The rules are a table of linear inequalities, `left >= right` (`>` where equal is too late), over named
quantities; each names the one quantity to raise, or to lower, when it does not hold. No quantity stands,
through such rules, above itself, so raising what fails comes to rest after as many rounds as there are
rules, at the least values that satisfy all of them: that is `proposals`. Sources: specs/field-needs.md
D2.4 with the issues named there; corosync.conf(5); sbd(8); IEEE 802.1AX.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.design.results import TimingRow
from ninefold.design.timing_facts import TITLES, Quantity, Situation, situation_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ninefold.design.model import Group, Infrastructure

# What slow power-offs behind a provider's API are given (Trento's checks of Azure).
CLOUD_FENCING_MS: Final = 900_000
# crmsh's delay for two nodes that share a device and have no witness.
SHARED_DEVICE_DELAY_MS: Final = 30_000

LACP_REMEDY: Final = (
    "Set lacp_rate fast on both ends, or use active-backup, which needs no partner."
)


class Sum(msgspec.Struct, frozen=True):
    """A sum of quantities, each with its factor, and a constant in ms."""

    terms: tuple[tuple[str, float], ...] = ()
    constant: float = 0.0


class Rule(msgspec.Struct, frozen=True):
    """`left` must be at least `right`, or more (`strict`). `change` is what to raise, or to lower.

    Where a number should not be changed at all, `remedy` says what to do instead.
    """

    code: str
    text: str
    left: Sum
    right: Sum
    source: str
    change: str = ""
    strict: bool = False
    lower: bool = False
    remedy: str = ""


class Proposal(msgspec.Struct, frozen=True):
    """A value to set: `because` are the rules that ask for it; `current_ms` may be unknown."""

    group: str
    quantity: str
    current_ms: float | None
    proposed_ms: float
    where: str
    because: tuple[str, ...]


# Every rule, and when it applies. `not_applicable` tells those that do not.
CODES: Final[dict[str, str]] = {
    "effective-token": "always",
    "consensus": "always",
    "detection": "where a recovery time is promised",
    "bond-failover": "with bonds",
    "lacp": "with LACP bonds",
    "stall": "always",
    "pause": "with virtual machines",
    "msgwait": "with SBD on disks",
    "stonith-msgwait": "with SBD on disks",
    "delay-start": "with SBD on disks",
    "start-timeout": "with SBD on disks",
    "watchdog-timeout": "with SBD without disks, unless automatic",
    "qdevice-sync": "with SBD and a quorum device",
    "qdevice-timeout": "with SBD and a quorum device",
    "multipath": "with SBD and multipath",
    "priority-delay": "where priority-fencing-delay is set",
    "delay-max": "with two nodes, no quorum device, and fence devices",
    "stop": "where resources are known",
    "escalation": "with a CIB",
    "cloud-timeout": "in a cloud",
    "cloud-concurrent": "in a cloud",
    "measured-fencing": "where fencing has been measured",
}


def timing_rows(model: Infrastructure, group: Group) -> tuple[TimingRow, ...]:
    """Return a row for every rule that applies to the group."""
    now = situation_of(model, group)
    chain = rules(now)
    solved = _solve(now, chain)
    rows = [_row(now, rule, solved) for rule in chain]
    if now.cloud:
        rows.append(_concurrent(now))
    return tuple(rows)


def not_applicable(model: Infrastructure, group: Group) -> dict[str, str]:
    """Return the rules that have no row for the group, with when they would."""
    now = situation_of(model, group)
    told = {rule.code for rule in rules(now)} | ({"cloud-concurrent"} if now.cloud else set())
    return {code: when for code, when in CODES.items() if code not in told}


def proposals(model: Infrastructure, group: Group) -> tuple[Proposal, ...]:
    """Return the least changes that make every rule hold whose numbers are known."""
    now = situation_of(model, group)
    chain = rules(now)
    solved = _solve(now, chain)
    found = []
    for name, value in solved.items():
        before = now.ms(name)
        if value is None or value == before:
            continue
        because = tuple(
            dict.fromkeys(
                rule.code
                for rule in chain
                if rule.change == name and _value(now, rule.right, solved) is not None
            )
        )
        current, proposed = before, value
        if name == "token":
            extra = max(0, now.nodes - 2) * now.coefficient
            current, proposed = now.configured_token or before, value - extra
        found.append(Proposal(now.group, _title(name), current, proposed, _where(name), because))
    return tuple(found)


def rules(now: Situation) -> list[Rule]:
    """Return the rules that apply, those of others' left sides first."""
    return [*_ring(now), *_sbd(now), *_fencing(now), *_stopping(now)]


def _ring(now: Situation) -> Iterator[Rule]:
    beyond = max(0, now.nodes - 2)
    if now.configured_token is None:
        least = Sum((("token", 1.0),))
    else:
        least = Sum(constant=now.configured_token + beyond * now.coefficient)
    text = f"effective token = token + {beyond} x token_coefficient"
    yield Rule("effective-token", text, Sum((("token", 1.0),)), least, "corosync.conf(5)")
    half = Sum((("token", 0.5),))
    for bond in now.bonds:
        text = f"failover of {bond} < token/2"
        yield Rule("bond-failover", text, half, _one(bond), "D2.4", "token", strict=True)
    for bond in now.lacp:
        # No token should be six times the longest LACP timeout: the bond is what has to change.
        text = f"{bond} notices a lost LACP partner within token/2"
        source = "D1.20; IEEE 802.1AX"
        one = _one(f"{bond} LACP")
        yield Rule("lacp", text, half, one, source, strict=True, remedy=LACP_REMEDY)
    yield Rule(
        "stall", "measured p99.9 stall < token/2", half, _one("stall"), "D2.4", "token", strict=True
    )
    if now.virtual:
        text = "a pause of the virtual machine < token"
        yield Rule("pause", text, _one("token"), _one("pause"), "D2.4, A3", "token", strict=True)
    text = "consensus >= 1.2 x token"
    yield Rule(
        "consensus",
        text,
        _one("consensus"),
        Sum((("token", 1.2),)),
        "corosync.conf(5)",
        "consensus",
    )
    if now.promised is not None:
        detection = Sum((("token", 1.0), ("consensus", 1.0)))
        text = "promised recovery > detection (token + consensus)"
        yield Rule("detection", text, _one("promised"), detection, now.promised.source, strict=True)


def _sbd(now: Situation) -> Iterator[Rule]:
    sbd = now.disk_sbd or now.diskless_sbd
    watchdog = _one("watchdog")
    if sbd and now.multipath:
        right = Sum((("path-failover", 1.0), ("path-timeout", 1.0)))
        text = "multipath failover + path timeout < SBD watchdog"
        yield Rule("multipath", text, watchdog, right, "D2.4", "watchdog", strict=True)
    if sbd and now.qdevice:
        for code in ("qdevice-sync", "qdevice-timeout"):
            text = f"SBD watchdog > {_title(code)}"
            yield Rule(code, text, watchdog, _one(code), "doc-sleha#280", "watchdog", strict=True)
    if now.diskless_sbd and not now.watchdog_automatic:
        name = "stonith-watchdog-timeout"
        text = f"{name} >= 2 x SBD watchdog"
        yield Rule("watchdog-timeout", text, _one(name), Sum((("watchdog", 2.0),)), "D2.4", name)
    if not now.disk_sbd:
        return
    crash = (("crashdump", 1.0),) if "crashdump" in now.values else ()
    text = "msgwait >= 2 x SBD watchdog" + (" + crashdump timeout" if crash else "")
    right = Sum((("watchdog", 2.0), *crash))
    yield Rule("msgwait", text, _one("msgwait"), right, "sbd(8); crmsh#2003", "msgwait")
    delays = Sum((("token", 1.0), ("consensus", 1.0), ("pcmk-delay-max", 1.0), ("msgwait", 1.0)))
    text = "SBD_DELAY_START >= token + consensus + pcmk_delay_max + msgwait"
    yield Rule("delay-start", text, _one("sbd-delay-start"), delays, "D2.4", "sbd-delay-start")
    text = "sbd's start timeout > SBD_DELAY_START"
    start = _one("sbd-start-timeout")
    right = _one("sbd-delay-start")
    yield Rule("start-timeout", text, start, right, "D2.4", "sbd-start-timeout", strict=True)


def _fencing(now: Situation) -> Iterator[Rule]:
    timeout = _one("stonith-timeout")
    if now.nodes == 2 and not now.qdevice and now.one_shared_device is not None:
        delay = _one("pcmk-delay-max")
        if now.one_shared_device:
            text = "two nodes, one shared device: pcmk_delay_max about 30 s"
            right = Sum(constant=SHARED_DEVICE_DELAY_MS)
            yield Rule("delay-max", text, delay, right, "crmsh#2071", "pcmk-delay-max")
        else:
            text = "two nodes, a device each: no pcmk_delay_max (pcmk_delay_base on one device)"
            yield Rule("delay-max", text, Sum(), delay, "crmsh#2071", "pcmk-delay-max", lower=True)
    if now.ms("priority-fencing-delay"):
        name = "priority-fencing-delay"
        text = f"{name} >= 2 x pcmk_delay_max"
        right = Sum((("pcmk-delay-max", 2.0),))
        yield Rule("priority-delay", text, _one(name), right, "pacemaker#2027", name)
    if now.disk_sbd:
        text = "stonith-timeout >= 1.2 x msgwait"
        right = Sum((("msgwait", 1.2),))
        yield Rule("stonith-msgwait", text, timeout, right, "D2.4", "stonith-timeout")
    for device, (_, name) in now.measured.items():
        text = f"timeout of {device} >= 2 x its measured time"
        right = Sum(((f"{device} measured", 2.0),))
        yield Rule("measured-fencing", text, _one(name), right, "D1.40", name)
    if now.cloud:
        text = "in a cloud: stonith-timeout of the class of 900 s"
        right = Sum(constant=CLOUD_FENCING_MS)
        yield Rule("cloud-timeout", text, timeout, right, "D2.4 (Trento)", "stonith-timeout")


def _stopping(now: Situation) -> Iterator[Rule]:
    if "stop" in now.values:
        name = "shutdown-escalation"
        text = "stop timeouts, one after the other, <= shutdown-escalation"
        yield Rule("stop", text, _one(name), _one("stop"), "pacemaker#1725", name)
    if now.has_cib:
        text = "shutdown-escalation <= TimeoutStopSec of pacemaker.service"
        right = _one("shutdown-escalation")
        yield Rule(
            "escalation", text, _one("timeout-stop"), right, "pacemaker#1725", "timeout-stop"
        )


def _one(name: str) -> Sum:
    return Sum(((name, 1.0),))


def _concurrent(now: Situation) -> TimingRow:
    """In a cloud, nodes lost together must not be fenced one after the other: no inequality, but a row."""
    known = now.fencing_concurrent
    return TimingRow(
        group=now.group,
        rule="cloud-concurrent: in a cloud concurrent-fencing=true, for one fencing takes minutes",
        left_name="concurrent-fencing",
        left_ms=None,
        right_name="true",
        right_ms=None,
        holds=known,
        proposal="" if known else "Set the cluster property concurrent-fencing=true.",
        source="D2.4 (Trento)",
    )


def _quantity(now: Situation, name: str) -> Quantity:
    if name == "promised" and now.promised is not None:
        return now.promised
    if name in now.bonds:
        return now.bonds[name]
    bond, _, suffix = name.rpartition(" ")
    if suffix == "LACP" and bond in now.lacp:
        return now.lacp[bond]
    if suffix == "measured" and bond in now.measured:
        return now.measured[bond][0]
    return now.values.get(name, Quantity(None, "nowhere"))


def _title(name: str) -> str:
    return TITLES[name][0] if name in TITLES else name


def _where(name: str) -> str:
    return TITLES[name][1] if name in TITLES else name


def _value(now: Situation, total: Sum, changed: Mapping[str, float | None]) -> float | None:
    """Return the sum in ms, or `None` if a quantity is unknown. Rounded to a microsecond."""
    result = total.constant
    for name, factor in total.terms:
        value = changed.get(name, _quantity(now, name).ms)
        if value is None:
            return None
        result += factor * value
    return round(result, 3)


def _holds(rule: Rule, left: float, right: float) -> bool:
    return left > right if rule.strict else left >= right


def _solve(now: Situation, chain: list[Rule]) -> dict[str, float | None]:
    """Return the quantities that must change, at their least values; see the module for why it ends."""
    solved: dict[str, float | None] = {}
    for _ in range(len(chain) + 1):
        before = dict(solved)
        for rule in chain:
            left, right = _value(now, rule.left, solved), _value(now, rule.right, solved)
            if not rule.change or (
                left is not None and right is not None and _holds(rule, left, right)
            ):
                continue
            if rule.lower and left is not None and right is not None:
                solved[rule.change] = left
            elif not rule.lower and right is not None:
                factor = dict(rule.left.terms)[rule.change]
                solved[rule.change] = _round_up((right + rule.strict) / factor)
        if solved == before:
            return solved
    raise AssertionError(("the chain does not come to rest", chain, solved))


def _round_up(ms: float) -> float:
    """Return the next whole second, from a second on; what people write in their files."""
    whole = math.ceil(round(ms, 3))
    return float(math.ceil(whole / 1000) * 1000 if whole >= 1000 else whole)


def _row(now: Situation, rule: Rule, solved: Mapping[str, float | None]) -> TimingRow:
    left, right = _value(now, rule.left, {}), _value(now, rule.right, {})
    holds = None if left is None or right is None else _holds(rule, left, right)
    return TimingRow(
        group=now.group,
        rule=f"{rule.code}: {rule.text}",
        left_name=_told(rule.left),
        left_ms=left,
        right_name=_told(rule.right),
        right_ms=right,
        holds=holds,
        proposal="" if holds else _proposal(now, rule, solved, known=holds is not None),
        source="; ".join((rule.source, *_sources(now, rule))),
    )


def _sources(now: Situation, rule: Rule) -> list[str]:
    names = [name for name, _ in (*rule.left.terms, *rule.right.terms)]
    known = [_quantity(now, name) for name in dict.fromkeys(names)]
    return list(
        dict.fromkeys(q.source for q in known if q.ms is not None and q.source != rule.source)
    )


def _proposal(
    now: Situation, rule: Rule, solved: Mapping[str, float | None], *, known: bool
) -> str:
    names = dict.fromkeys(name for name, _ in (*rule.left.terms, *rule.right.terms))
    missing = [name for name in names if _quantity(now, name).ms is None]
    value = solved.get(rule.change)
    words = []
    if not known and missing:
        words.append(
            "Look up " + "; ".join(f"{_title(n)} ({_lookup(now, n)})" for n in missing) + "."
        )
    if value is not None and _value(now, rule.right, {}) is not None:
        if rule.change == "token":
            value -= max(0, now.nodes - 2) * now.coefficient
        now_known = now.ms(rule.change) is not None
        verb = "Set {} to {}" if now_known else "Let {} be at least {}"
        told = verb.format(_title(rule.change), told_ms(value))
        words.append(f"{told} ({_where(rule.change)}).")
    if known and rule.remedy:
        words.append(rule.remedy)
    if not words:
        words.append("Shorten what is on the right, or promise less.")
    return " ".join(words)


def _lookup(now: Situation, name: str) -> str:
    if name in ("token", "consensus"):
        return "name the group's corosync.conf"
    if name in now.bonds:
        return f"facts miimon and updelay of {name}"
    if name.endswith(" LACP"):
        return f"fact lacp-rate of {name.removesuffix(' LACP')}: fast or slow"
    return _where(name)


def _told(total: Sum) -> str:
    words = [
        _title(name) if factor == 1 else f"{factor:g} x {_title(name)}"
        for name, factor in total.terms
    ]
    if total.constant or not words:
        words.append(told_ms(total.constant))
    return " + ".join(words)


def told_ms(ms: float) -> str:
    """Return a length as people write it.

    >>> told_ms(650), told_ms(3600), told_ms(36000), told_ms(1800000)
    ('650 ms', '3.6 s', '36 s', '1800 s')
    """
    return f"{ms:g} ms" if 0 < ms < 1000 else f"{ms / 1000:.10g} s"
