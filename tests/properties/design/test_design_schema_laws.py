"""The editor's schema and the loader judge the form of a file alike; the loader alone its sense."""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st

from ninefold.core.findings import errors
from ninefold.design import schema
from ninefold.design.library import KINDS, LAYERS
from ninefold.design.load import load_text

if TYPE_CHECKING:
    from ninefold.core.findings import Finding

JUDGE = jsonschema.Draft7Validator(schema.schema())

# What the loader says of a value's form, wherever it stands. All other codes need more than one value
# to be found, or a file.
OF_FORM = frozenset(
    [
        "type",
        "empty",
        "quantity",
        "number",
        "flag",
        "names",
        "mapping",
        "list",
        "unknown-key",
        "kind",
        "layer",
        "contradiction",
        "need",
        "missing",
        "checklist",
        "no-service",
        "alone",
    ]
)

LENGTHS = st.sampled_from(["4 h", "90min", "1.5 d", "2 y", "20ms"])
RANGES = st.one_of(LENGTHS, st.just("1 h..3 d"))
RATES = st.sampled_from(["2 /y", "0.5 %/y", "1e-5 /h", "1 per y", "1 /y..4 /y"])
SHARES = st.sampled_from(["99.9 %", "0.25", 0.5, 1, 0, "5%"])
SHARE_RANGES = st.one_of(SHARES, st.just("90 %..99 %"))
SPREADS = st.sampled_from([1, 3, 2.5, "10"])
TEXTS = st.sampled_from(["words", "a: b", 5, 2.5, None])
FLAGS = st.sampled_from([True, False, "yes", "no", None])
NUMBERS = st.sampled_from([0, 1, 2.5, 4000, None])
COUNTS = st.sampled_from([1, 2, 7, None])
NAMES = st.one_of(
    st.sampled_from(["a", None]), st.lists(st.sampled_from(["a", "b", 3]), max_size=3)
)
AMOUNTS = st.one_of(
    st.none(), st.dictionaries(st.sampled_from(["cpu", "memory"]), NUMBERS, max_size=2)
)
NEEDS = st.recursive(
    st.sampled_from(["a", "b", 7]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.builds(lambda of: {"any": of}, st.lists(inner, min_size=1, max_size=2)),
        st.builds(lambda of: {"all": of}, st.lists(inner, min_size=1, max_size=2)),
        st.builds(lambda of: {"at-least": 1, "of": of}, st.lists(inner, min_size=1, max_size=2)),
    ),
    max_leaves=4,
)
MAINTENANCE = st.fixed_dictionaries(
    {"every": LENGTHS, "takes": LENGTHS}, optional={"excluded": FLAGS}
)
SOURCED = {"spread": SPREADS, "source": TEXTS}


def part(words: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {},
        optional={
            **words,
            **SOURCED,
            "kind": st.sampled_from([*KINDS, None]),
            "layer": st.sampled_from([*LAYERS, None]),
            "title": TEXTS,
            "mttr": RANGES,
            "needs": NEEDS,
            "inside": NAMES,
            "crew": TEXTS,
            "maintenance": st.one_of(st.none(), MAINTENANCE),
            "cost": NUMBERS,
            "capacity": AMOUNTS,
            "facts": st.one_of(st.none(), st.dictionaries(st.just("mode"), TEXTS)),
        },
    )


PARTS = st.one_of(
    st.none(),
    part({"mtbf": RANGES}),
    part({"rate": RATES}),
    part({"availability": SHARE_RANGES}),
    part({"unavailability": SHARE_RANGES}),
)
FENCE_PATHS = st.fixed_dictionaries(
    {"device": st.sampled_from(["a", 4])},
    optional={
        **SOURCED,
        "targets": NAMES,
        "level": COUNTS,
        "success": SHARE_RANGES,
        "time": RANGES,
    },
)
FAILOVERS = st.fixed_dictionaries(
    {},
    optional={
        **SOURCED,
        "time": RANGES,
        "detection": SHARE_RANGES,
        "manual": RANGES,
        "switchover": RANGES,
        "fail-back": FLAGS,
        "measured": st.one_of(st.none(), LENGTHS, st.lists(LENGTHS, max_size=2), st.just("a.json")),
    },
)
GROUPS = st.fixed_dictionaries(
    {},
    optional={
        "nodes": NAMES,
        "title": TEXTS,
        "needed": COUNTS,
        "votes": st.one_of(st.none(), st.dictionaries(st.just("a"), st.sampled_from([0, 3, None]))),
        "quorum": st.sampled_from([0, 2, None]),
        "two-node": FLAGS,
        "witness": TEXTS,
        "witness-votes": st.sampled_from([0, 1, None]),
        "needs": NEEDS,
        "fencing": st.one_of(st.none(), st.lists(FENCE_PATHS, max_size=2)),
        "fencing-enabled": FLAGS,
        "failover": st.one_of(st.none(), FAILOVERS),
        "maintenance": st.one_of(st.none(), MAINTENANCE),
        "crew": TEXTS,
        "corosync": TEXTS,
        "cib": TEXTS,
    },
)
SERVICES = st.fixed_dictionaries(
    {"needs": NEEDS},
    optional={
        "title": TEXTS,
        "owner": TEXTS,
        "slo": SHARES,
        "rto": LENGTHS,
        "rpo": LENGTHS,
        "downtime-cost": NUMBERS,
        "uses": AMOUNTS,
        "resource": TEXTS,
    },
)
CAUSES = st.fixed_dictionaries(
    {
        "of": st.lists(st.sampled_from(["a", "b", 3]), min_size=2, max_size=3),
        "beta": SHARE_RANGES,
    },
    optional=SOURCED,
)
FILES: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"services": st.dictionaries(st.sampled_from(["s", "t"]), SERVICES, min_size=1)},
    optional={
        "name": TEXTS,
        "description": TEXTS,
        "mission": LENGTHS,
        "currency": TEXTS,
        "crews": st.dictionaries(st.just("c"), COUNTS),
        "parts": st.dictionaries(st.sampled_from(["a", "b"]), PARTS),
        "groups": st.dictionaries(st.just("g"), GROUPS),
        "common-causes": st.dictionaries(st.just("cc"), CAUSES),
        "checklist": st.dictionaries(
            st.sampled_from(["1", "66"]), st.sampled_from(["yes", True, 5, None])
        ),
    },
)
# What people write by mistake, or where it does not belong.
JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        "",
        "word",
        "12",
        "4 h",
        "2 /y",
        "99 %",
        0,
        1,
        5,
        -1,
        1.5,
        [],
        {},
        [1],
        [True],
        ["a"],
        [[]],
        {"any": []},
        {"any": ["a"], "all": ["a"]},
        {"unknown": 1},
        {"1": "yes"},
    ]
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths to everything inside."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, below in inner:
        found.append((*path, key))
        if isinstance(below, (dict, list)):
            found += places(below, (*path, key))
    return found


@st.composite
def damaged_files(draw: st.DrawFn) -> Any:
    found: Any = copy.deepcopy(draw(FILES))
    for _ in range(draw(st.integers(1, 2))):
        where = draw(st.sampled_from(places(found) or [("services",)]))
        holder: Any = found
        for key in where[:-1]:
            holder = holder[key]
        match draw(st.sampled_from(["replace", "remove", "add"])):
            case "replace":
                holder[where[-1]] = copy.deepcopy(draw(JUNK))
            case "remove":
                del holder[where[-1]]
            case _ if isinstance(holder, dict):
                holder[draw(st.sampled_from(["rate", "mtbf", "of", "needs", "typo"]))] = (
                    copy.deepcopy(draw(JUNK))
                )
            case _:
                holder.append(copy.deepcopy(draw(JUNK)))
    return found


def of_form(finding: Finding, file: Any) -> bool:
    if finding.code == "at-least":
        # Of how many is a matter of two values.
        return re.match(r"At least [1-9]\d* of [1-9]", finding.sentence) is None
    if finding.code == "needs-nothing":
        return "needs" not in (file["services"][finding.subject] or {})
    return finding.code in OF_FORM


def complaints(file: Any) -> list[Finding]:
    _, findings = load_text(json.dumps(file))
    return [found for found in errors(findings) if of_form(found, file)]


def test_the_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(schema.schema())


@given(FILES)
@settings(max_examples=150, deadline=None)
def test_well_formed_file_is_so_for_both(file: Any) -> None:
    assert [error.message for error in JUDGE.iter_errors(file)] == []
    assert complaints(file) == []


@given(damaged_files())
@settings(max_examples=300, deadline=None)
def test_schema_and_loader_agree_on_what_is_malformed(file: Any) -> None:
    wrong = [error.message for error in JUDGE.iter_errors(file)]

    assert bool(wrong) == bool(complaints(file)), (wrong, complaints(file), file)
