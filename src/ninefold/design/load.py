"""Read `infrastructure.yaml`: everything that is wrong with it, or a sound model.

This module knows the file's notation; `units` its quantities, `library` what is assumed where it
says nothing, `soundness` what must hold between its parts, `cluster_files` what a `corosync.conf`
and a CIB add to a failover group.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from ninefold.core.findings import Finding, Severity, errors
from ninefold.design import units
from ninefold.design.cluster_files import completed
from ninefold.design.drills import durations_s
from ninefold.design.library import KINDS, LAYERS
from ninefold.design.model import (
    HOURS_PER_YEAR,
    NOTHING,
    AllOf,
    AtLeast,
    CommonCause,
    Estimate,
    Failover,
    FencePath,
    Group,
    Infrastructure,
    Maintenance,
    Part,
    Place,
    Service,
    Use,
)
from ninefold.design.soundness import judge
from ninefold.design.source_yaml import Ledger, Tree, read

if TYPE_CHECKING:
    from collections.abc import Callable

    from ninefold.design.model import Need

TOP_KEYS: Final = (
    "name",
    "description",
    "mission",
    "currency",
    "crews",
    "parts",
    "groups",
    "services",
    "common-causes",
    "checklist",
)
# Of the design checklist (`checklist_items`).
ITEMS: Final = 66


def load(path: Path) -> tuple[Infrastructure | None, list[Finding]]:
    """Return the model, or `None` with errors; findings of all severities either way."""
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        return None, [_file(path, f"It cannot be read: {error.strerror}.", "Correct the path.")]
    except UnicodeDecodeError as error:
        return None, [_file(path, f"It is not UTF-8: {error.reason}.", "Save it as UTF-8.")]
    return load_text(text, file=str(path), beside=path.parent)


def _file(path: Path, sentence: str, remedy: str) -> Finding:
    return Finding("unreadable", Severity.ERROR, "file", sentence, remedy, str(path))


def load_text(
    text: str, *, file: str = "infrastructure.yaml", beside: Path | None = None
) -> tuple[Infrastructure | None, list[Finding]]:
    """Like `load`, of a text; files that it names are looked for in the directory `beside`."""
    ledger = Ledger(file)
    top = read(text, ledger)
    if top is None:
        return None, ledger.findings
    model = _model(top, beside or Path())
    top.leftover(TOP_KEYS)
    judge(model, ledger)
    ordered = sorted(ledger.findings, key=lambda f: (f.file != file, f.line, f.subject, f.code))
    return (None if errors(ordered) else model), ordered


def _model(top: Tree, beside: Path) -> Infrastructure:
    parts: dict[str, Part] = {}
    for name, tree in top.trees("parts"):
        parts[name] = _part(name, tree)
    groups = {name: _group(name, tree, beside) for name, tree in top.trees("groups")}
    services = {name: _service(name, tree) for name, tree in top.trees("services")}
    causes = tuple(_common_cause(name, tree) for name, tree in top.trees("common-causes"))
    mission = top.quantity("mission", units.hours)
    return Infrastructure(
        name=top.text("name", "unnamed"),
        parts=parts,
        groups=groups,
        services=services,
        common_causes=causes,
        crews=_crews(top),
        description=top.text("description"),
        mission_h=HOURS_PER_YEAR if mission is None else mission,
        currency=top.text("currency"),
        answers=_answers(top),
        file=top.ledger.file,
    )


def _crews(top: Tree) -> dict[str, int]:
    tree = top.tree("crews")
    if tree is None:
        return {}
    return {name: tree.integer(name, 1, least=1) for name in tree.key_names()}


def _answers(top: Tree) -> dict[int, str]:
    tree = top.tree("checklist")
    found: dict[int, str] = {}
    if tree is None:
        return found
    for key in tree.key_names():
        value = tree.raw(key)
        if not re.fullmatch(r"[1-9][0-9]?", key) or int(key) > ITEMS:
            tree.error("checklist", key, f"The checklist's items are 1 to {ITEMS}.", "Correct it.")
        elif isinstance(value, bool):
            found[int(key)] = "yes" if value else "no"
        else:
            found[int(key)] = tree.text(key)
    return found


# Quantities.


def _estimate(
    tree: Tree, key: str, read_one: Callable[[str], float], factor: float, source: str
) -> Estimate | None:
    """Take one value, or a range `low..high` (5th to 95th percentile of a lognormal)."""
    if not tree.has(key):
        return None

    def value(text: str) -> Estimate:
        low, dots, high = text.partition("..")
        if not dots:
            return Estimate(read_one(text), factor, source, place=tree.place_of(key))
        first, last = sorted((_range_end(low, high, read_one), _range_end(high, low, read_one)))
        if first <= 0:
            raise ValueError(f"{text!r} begins at 0; give a range of positive values")
        middle = (first * last) ** 0.5
        return Estimate(middle, last / middle, source, place=tree.place_of(key))

    return tree.quantity(key, value)


def _range_end(text: str, other: str, read_one: Callable[[str], float]) -> float:
    """Read one end of a range; where only its unit is missing, say so."""
    try:
        return read_one(text)
    except ValueError:
        whole = f"{text.strip()} {other.strip().lstrip('+-.0123456789').strip()}"
        try:
            read_one(whole)
        except ValueError:
            whole = ""
        if not whole:
            raise
        raise ValueError(
            f"{text.strip()!r} has no unit; write {whole}, both ends have theirs"
        ) from None


def _mtbf(text: str) -> float:
    """Return failures per hour of a mean time between failures."""
    found = units.hours(text)
    if found == 0:
        raise ValueError(f"{text!r} is no time between failures; it must be longer than 0")
    return 1 / found


def _without(text: str) -> float:
    """Return what an availability leaves: it is that which is uncertain by a factor."""
    return 1 - units.share(text)


def _rates(tree: Tree, kind: str) -> tuple[Estimate | None, Estimate | None, Estimate | None]:
    """Return failures per hour, repair hours, and a fixed share of time down."""
    source = tree.text("source")
    factor = tree.quantity("spread", units.spread) or 1.0
    found = {
        key: _estimate(tree, key, reader, factor, source)
        for key, reader in (
            ("mtbf", _mtbf),
            ("rate", units.rate),
            ("availability", _without),
            ("unavailability", units.share),
        )
    }
    given = [key for key in found if tree.has(key)]
    if len(given) > 1:
        tree.error(
            "contradiction",
            given[1],
            f"{' and '.join(given)} say the same thing twice.",
            "Keep one of them.",
        )
    default = KINDS.get(kind)
    repair = _estimate(tree, "mttr", units.hours, 1.0, source)
    share = found["availability"] or found["unavailability"]
    if share is not None:
        return None, None, share
    failures = found["mtbf"] or found["rate"]
    if default is None:
        return failures, repair, None
    failures = failures or default.failures()
    if failures is None:
        return None, None, None
    return failures, repair or default.repair(), None


# Needs.


def _needs(tree: Tree, key: str = "needs") -> Need:
    if not tree.has(key):
        return NOTHING
    return _need(tree, key, tree.raw(key), tree.line_of(key))


def _need(tree: Tree, key: str, value: Any, line: int) -> Need:
    place = Place(tree.ledger.file, line)
    if isinstance(value, CommentedSeq):
        inner = []
        for number, one in enumerate(value):
            below = _item_line(value, number, line)
            inner.append(_need(tree, key, one, below))
        return inner[0] if len(inner) == 1 else AllOf(tuple(inner))
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return Use(str(value), place)
    if isinstance(value, CommentedMap):
        return _combination(tree, key, value, line)
    _bad_need(tree, key, line)
    return NOTHING


def _item_line(value: CommentedSeq, number: int, line: int) -> int:
    try:
        return int(value.lc.item(number)[0]) + 1
    except (AttributeError, KeyError, TypeError):
        return line


def _combination(tree: Tree, key: str, value: CommentedMap, line: int) -> Need:
    keys = [str(k) for k in value]
    if keys in (["any"], ["all"]):
        inner = _several(tree, key, value[keys[0]], line)
        return AtLeast(1, inner) if keys == ["any"] else AllOf(inner)
    if sorted(keys) == ["at-least", "of"]:
        inner = _several(tree, key, value["of"], line)
        k = value["at-least"]
        if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= len(inner):
            tree.ledger.error(
                "at-least",
                f"{tree.subject}.{key}",
                f"At least {k!r} of {len(inner)} cannot be.",
                f"Give a whole number from 1 to {len(inner)}.",
                line,
            )
            return AllOf(inner)
        return AtLeast(k, inner)
    _bad_need(tree, key, line)
    return NOTHING


def _several(tree: Tree, key: str, value: Any, line: int) -> tuple[Need, ...]:
    if not isinstance(value, CommentedSeq) or not value:
        _bad_need(tree, key, line)
        return ()
    return tuple(
        _need(tree, key, one, _item_line(value, number, line)) for number, one in enumerate(value)
    )


def _bad_need(tree: Tree, key: str, line: int) -> None:
    tree.ledger.error(
        "need",
        f"{tree.subject}.{key}",
        "This says not what is needed.",
        "Write a name, [a, b] for all, {any: [a, b]}, or {at-least: 2, of: [a, b, c]}.",
        line,
    )


# Parts, groups, services.


def _part(name: str, tree: Tree) -> Part:
    kind = tree.text("kind", "component")
    default = KINDS.get(kind)
    if default is None:
        near = difflib.get_close_matches(kind, KINDS, 1)
        remedy = f"Did you mean {near[0]}?" if near else f"Known are: {', '.join(sorted(KINDS))}."
        tree.error("kind", "kind", f"There is no kind of part {kind!r}.", remedy)
    layer = tree.text("layer", default.layer if default else "other")
    if layer not in LAYERS:
        tree.error("layer", "layer", f"There is no layer {layer!r}.", f"Use {', '.join(LAYERS)}.")
    failures, repair, share = _rates(tree, kind)
    part = Part(
        name,
        kind,
        layer,
        tree.text("title"),
        failures,
        repair,
        share,
        _needs(tree),
        tree.names("inside"),
        tree.text("crew"),
        _maintenance(tree),
        tree.number("cost", 0.0),
        _amounts(tree, "capacity"),
        _facts(tree),
        tree.place,
    )
    tree.leftover(("kind", "mtbf", "rate", "mttr", "needs", "inside", "spread", "source"))
    return part


def _amounts(tree: Tree, key: str) -> dict[str, float]:
    inner = tree.tree(key)
    return {} if inner is None else {name: inner.number(name, 0.0) for name in inner.key_names()}


def _facts(tree: Tree) -> dict[str, str]:
    inner = tree.tree("facts")
    return {} if inner is None else {name: inner.text(name) for name in inner.key_names()}


def _maintenance(tree: Tree) -> Maintenance | None:
    inner = tree.tree("maintenance")
    if inner is None:
        return None
    every, takes = inner.quantity("every", units.hours), inner.quantity("takes", units.hours)
    excluded = inner.flag("excluded")
    inner.leftover(("every", "takes", "excluded"))
    for key, value in (("every", every), ("takes", takes)):
        if value is None and not inner.has(key):
            inner.error("missing", key, f"{key} is missing.", "Write it like: every: 30 d.")
    if every is None or takes is None:
        return None
    if every <= 0 or takes > every:
        inner.error("maintenance", "takes", "It takes longer than its interval.", "Correct it.")
        return None
    return Maintenance(every, takes, excluded)


def _group(name: str, tree: Tree, beside: Path) -> Group:
    group = Group(
        name=name,
        nodes=tree.names("nodes"),
        title=tree.text("title"),
        needed=tree.integer("needed", 1, least=1),
        votes=_votes(tree),
        quorum=tree.integer("quorum", 0),
        two_node=tree.flag("two-node"),
        witness=tree.text("witness"),
        witness_votes=tree.integer("witness-votes", 1),
        needs=_needs(tree),
        fencing=tuple(_fence_path(item) for item in tree.items("fencing")),
        fencing_enabled=tree.flag("fencing-enabled", default=True),
        failover=_failover(tree, beside),
        maintenance=_maintenance(tree),
        crew=tree.text("crew"),
        corosync=_beside(tree, "corosync", beside),
        cib=_beside(tree, "cib", beside),
        place=tree.place,
    )
    given = frozenset(key for key in ("quorum", "two-node", "votes", "fencing") if tree.has(key))
    tree.leftover(())
    return completed(group, given, tree)


def _votes(tree: Tree) -> dict[str, int]:
    inner = tree.tree("votes")
    return {} if inner is None else {name: inner.integer(name, 1) for name in inner.key_names()}


def _beside(tree: Tree, key: str, beside: Path) -> str:
    text = tree.text(key)
    if not text:
        return ""
    path = beside / text
    if not path.is_file():
        tree.error("missing-file", key, f"There is no file {path}.", "Correct the path.")
        return ""
    return str(path)


def _fence_path(tree: Tree) -> FencePath:
    factor = tree.quantity("spread", units.spread) or 1.0
    source = tree.text("source")
    success = _estimate(tree, "success", units.share, 1.0, source)
    length = _estimate(tree, "time", lambda text: units.hours(text) * 3600, factor, source)
    path = FencePath(
        tree.text("device"),
        tree.names("targets"),
        tree.integer("level", 1, least=1),
        success or FencePath("", ()).success,
        length,
        tree.place,
    )
    if not path.device:
        tree.error("missing", "device", "No device is named.", "Name a part of kind fence-device.")
    tree.leftover(("device", "targets", "level", "success", "time"))
    return path


def _failover(group: Tree, beside: Path) -> Failover:
    tree = group.tree("failover")
    if tree is None:
        return Failover()
    source = tree.text("source")
    factor = tree.quantity("spread", units.spread) or 1.0
    plain = Failover()
    found = Failover(
        _estimate(tree, "time", units.hours, factor, source),
        _estimate(tree, "detection", units.share, 1.0, source) or plain.detection,
        _estimate(tree, "manual", units.hours, factor, source) or plain.manual,
        _estimate(tree, "switchover", units.hours, factor, source),
        tree.flag("fail-back"),
        _measured(tree, beside),
    )
    tree.leftover(("time", "detection", "manual", "switchover", "fail-back", "measured"))
    return found


def _measured(tree: Tree, beside: Path) -> tuple[float, ...]:
    """Take drills' results: a list of lengths, or the name of a file of them."""
    value = tree.raw("measured")
    if value is None:
        return ()
    if isinstance(value, str) and not value[:1].isdigit():
        try:
            return durations_s((beside / value).read_bytes())
        except (OSError, ValueError) as error:
            tree.error("drills", "measured", f"{value}: {error}.", "Give what a drill printed.")
            return ()
    texts = [str(one) for one in value] if isinstance(value, CommentedSeq) else [str(value)]
    lengths = []
    for text in texts:
        try:
            lengths.append(units.hours(text) * 3600)
        except ValueError as error:
            tree.error("quantity", "measured", f"{error}.", "Write it like [3.7 s, 4.1 s].")
    return tuple(lengths)


def _service(name: str, tree: Tree) -> Service:
    service = Service(
        name=name,
        needs=_needs(tree),
        title=tree.text("title"),
        owner=tree.text("owner"),
        slo=tree.quantity("slo", units.share),
        rto_s=_seconds(tree, "rto"),
        rpo_s=_seconds(tree, "rpo"),
        downtime_cost=tree.number("downtime-cost", 0.0) if tree.has("downtime-cost") else None,
        uses=_amounts(tree, "uses"),
        resource=tree.text("resource"),
        place=tree.place,
    )
    tree.leftover(("needs", "slo", "owner", "rto", "rpo", "uses", "resource"))
    return service


def _seconds(tree: Tree, key: str) -> float | None:
    found = tree.quantity(key, units.hours)
    return None if found is None else found * 3600


def _common_cause(name: str, tree: Tree) -> CommonCause:
    factor = tree.quantity("spread", units.spread) or 1.0
    beta = _estimate(tree, "beta", units.share, factor, tree.text("source"))
    if beta is None and not tree.has("beta"):
        tree.error("missing", "beta", "beta is missing.", "Write it like: beta: 5 %.")
    cause = CommonCause(name, tree.names("of"), beta or Estimate(0.0), tree.place)
    tree.leftover(("of", "beta", "spread", "source"))
    return cause
