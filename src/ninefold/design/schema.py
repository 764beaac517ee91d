"""The JSON Schema of `infrastructure.yaml`, for editors: what `load` accepts, key by key.

It knows the form of every value and what each key is for; what must hold between values (names that
exist, no cycles, votes that reach a quorum) only `load` can say. A property test holds the two
against each other, another one the shipped file against this module.
"""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ninefold.design.library import KINDS, LAYERS
from ninefold.design.units import HOURS, MAGNITUDE

if TYPE_CHECKING:
    from collections.abc import Mapping

Schema: TypeAlias = "dict[str, Any]"
# (key, form, what it is for).
Row: TypeAlias = "tuple[str, Schema, str]"

# Beside a model, for its first line; the same text lies in this package.
FILE_NAME: Final = "infrastructure.schema.json"
SHIPPED: Final = Path(__file__).with_name(FILE_NAME)
DIALECT: Final = "http://json-schema.org/draft-07/schema#"

_UNITS: Final = "|".join(sorted(HOURS, key=len, reverse=True))
_LENGTH: Final = rf"\s*\+?{MAGNITUDE}\s*(?:{_UNITS})\s*"
_RATE: Final = rf"\s*\+?{MAGNITUDE}\s*%?\s*(?:/|per\s)\s*(?:{_UNITS})\s*"
# Without a percent sign up to 1: whoever writes 99.9 has left it out.
_SHARE: Final = rf"\s*\+?(?:{MAGNITUDE}\s*%|0?\.[0-9]+|[01](?:\.0*)?)\s*"


def _pattern(text: str, *, ranged: bool = False) -> Schema:
    found = rf"{text}(?:\.\.{text})?" if ranged else text
    return {"type": "string", "pattern": f"^{found}$"}


def _use(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


_TEXT: Final[Schema] = {"type": ["string", "number", "null"]}
_NUMBER: Final[Schema] = {"type": ["number", "null"], "minimum": 0, "exclusiveMaximum": 1e15}
_FLAG: Final[Schema] = {"enum": [True, False, "yes", "no", None]}
_NAMES: Final[Schema] = {
    "anyOf": [
        {"type": ["string", "null"]},
        {"type": "array", "items": {"type": ["string", "integer"]}},
    ]
}
_SHARE_NUMBER: Final[Schema] = {"type": "number", "minimum": 0, "maximum": 1}

FORMS: Final[Mapping[str, Schema]] = MappingProxyType(
    {
        "length": {**_pattern(_LENGTH), "examples": ["4 h", "90 s", "30 d"]},
        "length-or-range": {
            **_pattern(_LENGTH, ranged=True),
            "examples": ["4 h", "2 h..8 h"],
        },
        "rate-or-range": {
            **_pattern(_RATE, ranged=True),
            "examples": ["2 /y", "0.5 %/y", "1 /y..4 /y"],
        },
        "share": {"anyOf": [_SHARE_NUMBER, _pattern(_SHARE)], "examples": ["99.9 %", 0.999]},
        "share-or-range": {
            "anyOf": [_SHARE_NUMBER, _pattern(_SHARE, ranged=True)],
            "examples": ["97 %", "95 %..99 %"],
        },
        "spread": {
            "anyOf": [
                {"type": "number", "minimum": 1, "maximum": 1000},
                _pattern(rf"\s*\+?{MAGNITUDE}\s*"),
            ],
            "examples": [3],
        },
        "amounts": {"type": ["object", "null"], "additionalProperties": _NUMBER},
        "need": {
            "anyOf": [
                {"type": ["string", "integer"]},
                {"type": "array", "items": _use("need")},
                {
                    "type": "object",
                    "properties": {"any": _use("needs")},
                    "required": ["any"],
                    "additionalProperties": False,
                },
                {
                    "type": "object",
                    "properties": {"all": _use("needs")},
                    "required": ["all"],
                    "additionalProperties": False,
                },
                {
                    "type": "object",
                    "properties": {
                        "at-least": {"type": "integer", "minimum": 1},
                        "of": _use("needs"),
                    },
                    "required": ["at-least", "of"],
                    "additionalProperties": False,
                },
            ],
            "examples": ["a", ["a", "b"], {"any": ["a", "b"]}, {"at-least": 2, "of": ["a", "b"]}],
        },
        "needs": {"type": "array", "minItems": 1, "items": _use("need")},
    }
)

_NEEDS: Final = (
    "What must be up: a name, [a, b] for all, {any: [a, b]}, {at-least: 2, of: [a, b, c]}."
)
_SOURCE: Final[Row] = ("source", _TEXT, "Where the numbers come from; a report shows it.")
_SPREAD: Final[Row] = (
    "spread",
    _use("spread"),
    "How uncertain: the 95th percentile divided by the median, from 1 (certain) on.",
)
_MAINTENANCE_KEY: Final[Row] = (
    "maintenance",
    _use("maintenance"),
    "Planned work, counted apart from failures.",
)
_CREW: Final[Row] = ("crew", _TEXT, "Which repair crew mends it; they are sized under `crews`.")

MAINTENANCE: Final[tuple[Row, ...]] = (
    ("every", _use("length"), "How often."),
    ("takes", _use("length"), "How long each time."),
    ("excluded", _FLAG, "Whether the agreement does not count it; users see it all the same."),
)
PART: Final[tuple[Row, ...]] = (
    (
        "kind",
        {"enum": [*sorted(KINDS), None]},
        "What it is; decides its layer, and what is assumed where no rate is given.",
    ),
    (
        "layer",
        {"enum": [*LAYERS, None]},
        "Where it counts in the list of single points of failure.",
    ),
    ("title", _TEXT, "What people call it."),
    ("mtbf", _use("length-or-range"), "Mean time between failures; or one of the three below."),
    ("rate", _use("rate-or-range"), "Failures in a time, or the share that fails in it."),
    ("availability", _use("share-or-range"), "The share of time that it works."),
    ("unavailability", _use("share-or-range"), "The share of time that it does not."),
    ("mttr", _use("length-or-range"), "Mean time to repair."),
    _SPREAD,
    _SOURCE,
    ("needs", _use("need"), _NEEDS),
    ("inside", _NAMES, "What holds it: rack, room, site, hypervisor. It is lost with them."),
    _CREW,
    _MAINTENANCE_KEY,
    ("cost", _NUMBER, "What it costs, in the model's currency, to compare designs."),
    (
        "capacity",
        _use("amounts"),
        "What a node can carry: {cpu: 8, memory: 32}, in units of yours.",
    ),
    (
        "facts",
        {"type": ["object", "null"], "additionalProperties": _TEXT},
        "What only some kinds have: mode and miimon of a bond, level of a RAID set.",
    ),
)
FENCE_PATH: Final[tuple[Row, ...]] = (
    ("device", _TEXT, "The part of kind fence-device."),
    ("targets", _NAMES, "The nodes it can silence."),
    ("level", {"type": ["integer", "null"], "minimum": 1}, "1 is tried first."),
    ("success", _use("share-or-range"), "How often it succeeds when asked to."),
    ("time", _use("length-or-range"), "How long it takes; measured is best."),
    _SPREAD,
    _SOURCE,
)
FAILOVER: Final[tuple[Row, ...]] = (
    ("time", _use("length-or-range"), "As the client sees it; left out: predicted from timers."),
    ("detection", _use("share-or-range"), "The share of losses that are noticed at all."),
    ("manual", _use("length-or-range"), "Until a person helps where the cluster could not."),
    ("switchover", _use("length-or-range"), "The gap of a planned move."),
    ("fail-back", _FLAG, "Whether services move back when the node returns."),
    (
        "measured",
        {
            "anyOf": [
                {"type": "null"},
                {"type": "string", "pattern": f"^(?:$|[^0-9]|{_LENGTH}$)"},
                {"type": "array", "items": _use("length")},
            ]
        },
        "What drills measured: [3.7 s, 4.1 s], or the file that a drill printed.",
    ),
    _SPREAD,
    _SOURCE,
)
GROUP: Final[tuple[Row, ...]] = (
    ("nodes", _NAMES, "Its nodes; left out, those of its corosync.conf."),
    ("title", _TEXT, "What people call it."),
    ("needed", {"type": ["integer", "null"], "minimum": 1}, "How many nodes must be up."),
    (
        "votes",
        {
            "type": ["object", "null"],
            "additionalProperties": {"type": ["integer", "null"], "minimum": 0},
        },
        "Votes of nodes that have another number than one.",
    ),
    (
        "quorum",
        {"type": ["integer", "null"], "minimum": 0},
        "How many votes are asked for; 0: none.",
    ),
    ("two-node", _FLAG, "votequorum's two_node: either half may act, and fencing decides."),
    ("witness", _TEXT, "The part that votes without being a node (a quorum device)."),
    ("witness-votes", {"type": ["integer", "null"], "minimum": 0}, "How many votes it has."),
    ("needs", _use("need"), f"{_NEEDS} Shared storage, the clients' network."),
    (
        "fencing",
        {"anyOf": [{"type": "null"}, {"type": "array", "items": _use("fence-path")}]},
        "How its nodes are silenced; left out, as its CIB says.",
    ),
    ("fencing-enabled", _FLAG, "stonith-enabled; left out: yes, or as its CIB says."),
    ("failover", _use("failover"), "How it goes on without a node."),
    _MAINTENANCE_KEY,
    _CREW,
    ("corosync", _TEXT, "Its corosync.conf, from this file's directory."),
    ("cib", _TEXT, "Its CIB, from this file's directory."),
)
SERVICE: Final[tuple[Row, ...]] = (
    ("needs", _use("need"), _NEEDS),
    ("title", _TEXT, "What users call it."),
    ("owner", _TEXT, "Who answers for it."),
    ("slo", _use("share"), "The availability that was promised."),
    ("rto", _use("length"), "How long an outage may last."),
    ("rpo", _use("length"), "How much of the newest data may be lost."),
    ("downtime-cost", _NUMBER, "What an hour of downtime costs."),
    ("uses", _use("amounts"), "What it takes of a node's capacity."),
    ("resource", _TEXT, "The resource of the CIB that is this service."),
)
COMMON_CAUSE: Final[tuple[Row, ...]] = (
    (
        "of",
        {"type": "array", "minItems": 2, "items": {"type": ["string", "integer"]}},
        "The parts that it strikes together.",
    ),
    ("beta", _use("share-or-range"), "The share of each one's failures that strikes all of them."),
    _SPREAD,
    _SOURCE,
)
TOP: Final[tuple[Row, ...]] = (
    ("name", _TEXT, "Of the whole."),
    ("description", _TEXT, "A sentence for the report's head."),
    ("mission", _use("length"), "For how long no interruption is asked about; left out, a year."),
    ("currency", _TEXT, "Of all costs."),
    (
        "crews",
        {
            "type": ["object", "null"],
            "additionalProperties": {"type": ["integer", "null"], "minimum": 1},
        },
        "How many each repair crew can mend at once: {field-service: 1}.",
    ),
    ("parts", _use("parts"), "Everything that can fail, by name."),
    ("groups", _use("groups"), "Failover groups: nodes that take over for each other."),
    ("services", _use("services"), "What users see, by name."),
    ("common-causes", _use("common-causes"), "What strikes several parts at once, by name."),
    (
        "checklist",
        {
            "type": ["object", "null"],
            "propertyNames": {"pattern": "^(?:[1-9]|[1-5][0-9]|6[0-6])$"},
            "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
        },
        "The owner's answers to the design checklist: {1: yes, 52: 'no: not yet tested'}.",
    ),
)
OBJECTS: Final[Mapping[str, tuple[tuple[Row, ...], tuple[str, ...]]]] = MappingProxyType(
    {
        "part": (PART, ()),
        "group": (GROUP, ()),
        "fence-path": (FENCE_PATH, ("device",)),
        "failover": (FAILOVER, ()),
        "service": (SERVICE, ("needs",)),
        "common-cause": (COMMON_CAUSE, ("of", "beta")),
        "maintenance": (MAINTENANCE, ("every", "takes")),
    }
)
# Of these a part may give one.
_ONE_OF_THEM: Final = ("mtbf", "rate", "availability", "unavailability")


def schema() -> Schema:
    """Return the schema as data."""
    definitions: Schema = {name: dict(form) for name, form in FORMS.items()}
    for name, (rows, required) in OBJECTS.items():
        definitions[name] = _object(rows, required)
    pairs = combinations(_ONE_OF_THEM, 2)
    definitions["part"]["not"] = {
        "type": "object",
        "anyOf": [{"required": list(pair)} for pair in pairs],
    }
    definitions["fence-path"]["properties"]["device"] |= {"type": ["string", "number"]}
    definitions["fence-path"]["properties"]["device"] |= {"minLength": 1}
    for name in ("part", "group", "failover", "maintenance"):
        definitions[name]["type"] = ["object", "null"]
    for several, one in (
        ("parts", "part"),
        ("groups", "group"),
        ("common-causes", "common-cause"),
    ):
        definitions[several] = {"type": ["object", "null"], "additionalProperties": _use(one)}
    definitions["services"] = {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": _use("service"),
    }
    top = _object(TOP, ("services",))
    head = {"$schema": DIALECT, "title": "Ninefold infrastructure"}
    return {**head, **top, "definitions": definitions}


def _object(rows: tuple[Row, ...], required: tuple[str, ...]) -> Schema:
    found: Schema = {
        "type": "object",
        # `allOf`, because draft 7 ignores what stands beside a `$ref`.
        "properties": {
            key: {"description": about, "allOf": [form]}
            if "$ref" in form
            else {"description": about, **form}
            for key, form, about in rows
        },
        "additionalProperties": False,
    }
    if required:
        found["required"] = list(required)
    return found


def text() -> str:
    """Return the schema as the text of its file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
