"""Reference tables made from the source, so that they cannot go stale.

A page holds a line `<!-- made from the source: NAME -->`; when Sphinx reads the page, the table
takes its place.
"""

from __future__ import annotations

import ast
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import msgspec
import typer.main

from ninefold.agents.exitcodes import verdict
from ninefold.agents.model import OpStatus, Rc
from ninefold.cli.lab_run import check
from ninefold.config.keys import KEYS, Key, Kind
from ninefold.controller.requests import OperatorChange, Request
from ninefold.design import schema
from ninefold.design.audit.judge import RULES
from ninefold.design.audit.shared import KINDS as SHARED
from ninefold.design.audit.shared import WORDS as SHARED_WORDS
from ninefold.design.library import KINDS, LAYERS
from ninefold.design.nines import (
    availability_of_nines,
    class_text,
    downtime,
    duration_text,
    percent_text,
)
from ninefold.sim.scenario import read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx

SOURCE = Path(__file__).parents[1] / "src" / "ninefold"
MARKER = re.compile(r"<!-- made from the source: ([a-z-]+) -->")

# Where the words of the event log are written, with the sentence beside the word.
EVENT_MAKERS = ("Happened", "Noted", "note")

# What a word means where its sentence is put together at run time.
MEANINGS = {
    "changed": "the configuration was changed; who, and why",
    "declared-dead": "an operator has vouched that a lost node is off",
    "engine-failed": "the policy engine failed on this document; what to take back",
    "failed": "an operation failed; which, where, and its reason",
    "fenced-alive": "a node that counts as fenced has heard of it; what it does",
    "fence-failed": "a device could not silence a node, or let it in; what does not start for it",
    "fence-report-void": "a report came for a fencing that nobody waits for any more",
    "fenced": "a node is known to be silent",
    "fencing": "a node is about to be silenced; why",
    "keys-not-saved": "the disk refused new keys; it is tried again",
    "keys-refused": "a rotation of keys is not begun; why",
    "leave": "a node leaves the ring of its own accord",
    "malformed": "a group message could not be read; it was dropped",
    "membership": "the members of the cluster have changed",
    "not-converging": "the same actions are decided again and again",
    "operation": "an agent has answered",
    "packets-refused": "packets were dropped; how many, and why",
    "path-mtu": "a path carries packets of another size than before",
    "peer-dead": "a node is gone; by what evidence",
    "peer-paused": "a node is silent though its host or its Corosync lives",
    "peer-restarted": "a peer's daemon is a new one",
    "promoted": "an instance has become the promoted one",
    "demoted": "an instance is no longer the promoted one",
    "migrated": "a resource has moved alive; from where, and to where",
    "reloaded": "a running resource has taken changed parameters over",
    "quorum-gained": "this partition may act",
    "quorum-lost": "this partition may not act; how many votes it lacks",
    "second-daemon": "two daemons of one node are there; which one ends",
    "self-fence-impossible": "this host has nothing that resets it; what to do",
    "started": "a resource runs",
    "stopped": "a resource has stopped",
    "stopping": "this node moves its resources away and leaves",
    "store-failed": "the store refused a write; this node vouches for nothing",
    "wrong-node": "Corosync runs as another node than its file says",
}


# How far a failure reaches.
WEIGHT = {
    OpStatus.DONE: "",
    OpStatus.ERROR: "; may be tried again here",
    OpStatus.ERROR_HARD: "; this node is out",
    OpStatus.ERROR_FATAL: "; every node is out",
    OpStatus.NOT_SUPPORTED: "; this node is out",
}


def cell(text: str) -> str:
    if not text.startswith("`"):
        text = text.replace("<", "\\<")
    return " ".join(text.replace("|", "\\|").split())


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    lines += [" | ".join(cell(text) for text in row) for row in rows]
    return ["", *(f"| {line} |" for line in lines), ""]


def configuration_keys() -> list[str]:
    """One table for each section, in the order of the source."""
    lines: list[str] = []
    sections = dict.fromkeys(path.rpartition(".")[0] for path in KEYS)
    for section in sections:
        rows = [
            (
                f"`{path.rpartition('.')[2]}`",
                f"`{key.default}`" if key.default else "",
                allowed(key),
                key.about if key.used else f"{key.about} (accepted, without effect)",
            )
            for path, key in KEYS.items()
            if path.rpartition(".")[0] == section
        ]
        lines += [f"## {section}", *table(("key", "default", "values", "meaning"), rows)]
    return lines


def allowed(key: Key) -> str:
    match key.kind:
        case Kind.INTEGER:
            return f"{key.low} to {key.high} {key.unit}".strip()
        case Kind.FLAG:
            return "0 or 1"
        case Kind.CHOICE if len(key.choices) > 12:
            return f"`{key.choices[0]}` … `{key.choices[-1]}`"
        case Kind.CHOICE:
            return ", ".join(f"`{choice}`" for choice in key.choices)
        case _:
            return "text"


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield every command below this one; their type is private to typer."""
    if hasattr(command, "commands"):
        for name in sorted(command.commands):
            yield from commands(command.commands[name], f"{path} {name}")
    elif not command.hidden:
        yield path, command


def command_line() -> list[str]:
    if find_spec("ninefold.cli.main") is None:
        return ["This copy of the source has no command line."]
    app = import_module("ninefold.cli.main").app
    lines: list[str] = []
    for path, command in commands(typer.main.get_command(app), "ninefold"):
        context = command.make_context(path, [], resilient_parsing=True)
        usage = " ".join([path, *command.collect_usage_pieces(context)])
        lines += [f"## {path}", "", "```text", usage, "```", "", cell(command.help or ""), ""]
        rows = [
            record for parameter in command.params if (record := parameter.get_help_record(context))
        ]
        options = [(f"`{left}`", right) for left, right in rows if "--help" not in left]
        if options:
            lines += table(("option", "meaning"), options)
    return lines


def requests() -> list[str]:
    """What may be posted to the door, and the changes that a `change` request may carry."""
    lines: list[str] = []
    for title, union in (("Requests", Request), ("Changes", OperatorChange)):
        rows = []
        for kind in get_args(union):
            fields = ", ".join(f"`{field.encode_name}`" for field in msgspec.structs.fields(kind))
            tag = kind.__struct_config__.tag
            rows.append((f"`{tag}`", fields, (kind.__doc__ or "").split("\n\n")[0]))
        lines += [f"## {title}", *table(("`type`", "fields", "what it does"), rows)]
    return lines


def sentence(node: ast.expr) -> str:
    """Return a literal's text; what is put in at run time is written `{name}`."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(sentence(part) for part in parts)
        case ast.FormattedValue(value=value):
            return f"{{{ast.unparse(value)}}}"
        case _:
            return f"{{{ast.unparse(node)}}}"


def event_words() -> list[str]:
    found: dict[str, str] = {}
    texts = [path.read_text() for path in sorted(SOURCE.rglob("*.py"))]
    stale = [word for word in MEANINGS if not any(f'"{word}"' in text for text in texts)]
    assert not stale, f"no event is called {', '.join(stale)} any more"
    for text in texts:
        for node in ast.walk(ast.parse(text)):
            match node:
                case ast.Call(
                    func=ast.Name(id=name) | ast.Attribute(attr=name),
                    args=[ast.Constant(value=str(word)), told, *_],
                ) if name in EVENT_MAKERS:
                    found.setdefault(word, f"`{sentence(told)}`")
                case _:
                    pass
    links = {"link-up": "a link to a peer is heard", "link-down": "it is not heard any more"}
    words = sorted((found | MEANINGS | links).items())
    rows = [(f"`{word}`", meaning) for word, meaning in words]
    return table(("word", "what it says"), rows)


def agent_exit_codes() -> list[str]:
    rows = []
    for code in Rc:
        probe = verdict("monitor", code)
        monitor = verdict("monitor", code, interval_ms=10_000)
        start = verdict("start", code)
        told = (start, monitor, probe)
        rows.append((str(code.value), *(each.meaning + WEIGHT[each.status] for each in told)))
    return table(("code", "of a start or stop", "of a monitor", "of a probe"), rows)


def nines() -> list[str]:
    rows = []
    for count in range(1, 7):
        availability = availability_of_nines(count)
        lost = downtime(availability)
        rows.append(
            (
                class_text(availability),
                percent_text(availability),
                duration_text(lost.per_year),
                duration_text(lost.per_month),
                duration_text(lost.per_week),
            )
        )
    return table(("class", "availability", "per year", "per month", "per week"), rows)


# What a value of a form looks like; the rest are texts, numbers, lists, or have a section of their own.
FORM_WORDS = {
    "amounts": "numbers by name",
    "need": "a need",
    "parts": "parts by name",
    "groups": "groups by name",
    "services": "services by name",
    "common-causes": "common causes by name",
}


def infrastructure_keys() -> list[str]:
    """One table for each kind of mapping of the infrastructure file."""
    lines: list[str] = []
    for title, rows in (("The file", schema.TOP), *((n, o[0]) for n, o in schema.OBJECTS.items())):
        lines += [f"### {title.replace('-', ' ').capitalize()}"]
        cells = [(f"`{key}`", looks(form), about) for key, form, about in rows]
        lines += table(("key", "value", "meaning"), cells)
    return lines


def looks(form: dict[str, Any]) -> str:
    name = str(form.get("$ref", "")).rpartition("/")[2]
    if name in schema.FORMS and name not in FORM_WORDS:
        return ", ".join(f"`{example}`" for example in schema.FORMS[name]["examples"])
    if name:
        return FORM_WORDS.get(name, f"a mapping, see {name.replace('-', ' ')}")
    if "enum" in form:
        words = [str(word) for word in form["enum"] if isinstance(word, str)]
        return ", ".join(f"`{word}`" for word in words) if len(words) < 12 else "see below"
    if form.get("type") == ["integer", "null"]:
        return f"a whole number from {form.get('minimum', 0)} on"
    if form.get("type") == ["number", "null"]:
        return "a number"
    if form.get("type") == ["object", "null"]:
        return "a mapping"
    return "a list" if "anyOf" in form or form.get("type") == "array" else "text"


def part_kinds() -> list[str]:
    rows = [
        (
            f"`{name}`",
            kind.layer,
            kind.about,
            f"{kind.per_year:g}" if kind.per_year else "never by itself",
            f"{kind.repair_h:g} h" if kind.per_year else "",
            kind.source if kind.per_year else "",
        )
        for name, kind in KINDS.items()
    ]
    head = ("kind", "layer", "what it is", "failures a year", "repair", "source")
    return table(head, rows)


def audit_rules() -> list[str]:
    order = {layer: place for place, layer in enumerate(LAYERS)}
    rows = [
        (rule.layer, f"`{rule.code}`", rule.about, "SPOF" if rule.spof else "", rule.severity)
        for rule in sorted(RULES, key=lambda rule: order[rule.layer])
    ]
    return table(("layer", "code", "what it finds", "", "severity"), rows)


def audit_shared() -> list[str]:
    rows = [
        (layer, f"`shared-{kind}`", f"the same {SHARED_WORDS[kind]}", mitigation)
        for kind, (layer, _, mitigation) in SHARED.items()
    ]
    return table(("layer", "code", "what they have in common", "what to do"), rows)


def lab_scenarios() -> Iterator[str]:
    """Say how many scenarios a lab can play."""
    files = sorted((SOURCE.parents[1] / "tests" / "scenarios").rglob("*.scenario"))
    playable = [file for file in files if not check(read(file.read_text()))]
    yield (
        f"Of the {len(files)} scenarios of `tests/scenarios` a lab can play {len(playable)} (`ninefold lab run`)."
    )


TABLES = {
    "audit-rules": audit_rules,
    "audit-shared": audit_shared,
    "infrastructure-keys": infrastructure_keys,
    "part-kinds": part_kinds,
    "nines": nines,
    "configuration-keys": configuration_keys,
    "command-line": command_line,
    "requests": requests,
    "event-words": event_words,
    "agent-exit-codes": agent_exit_codes,
    "lab-scenarios": lab_scenarios,
}


def put_tables_in(app: Sphinx, _page: str, source: list[str]) -> None:
    if MARKER.search(source[0]):
        # The page stays the same when the source it is made from does not.
        app.env.note_reread()
    source[0] = MARKER.sub(lambda found: "\n".join(TABLES[found[1]]()), source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", put_tables_in)
    return {"parallel_read_safe": True}
