"""What is wrong with the `<status>` of a document: what nodes are said to be, and to have done.

A status is written by daemons, so what is wrong in one was written by hand, cut, or mixed from two
clusters. The policy engine reads all of it with patience, as Pacemaker's does; a finding says what
it makes of it. Only what leaves a node or an operation without a meaning is an error.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from ninefold.cib.document import line_of
from ninefold.core.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element as Element

# A number as daemons write it; more digits than an int64 has are no number of theirs.
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,18}")
# 9999-12-31 in seconds since 1970, the last day that has four digits for its year.
_SECONDS_MAX: Final = 253_402_300_799
_KEY: Final = re.compile(r"-?[0-9]{1,18}:-?[0-9]{1,18}:-?[0-9]{1,18}:.+")
_MAGIC: Final = re.compile(r"(-?[0-9]{1,18}):(-?[0-9]{1,18});(.+)")
_DIGEST: Final = re.compile(r"[0-9a-f]{32}")
_NUMBERS: Final = ("call-id", "rc-code", "op-status")
_TIMES: Final = ("last-rc-change", "last-run")
_REMOVE: Final = "Correct it, or remove the entry: what is not known is probed."
_STANDING: Final = {
    "crmd": ("online", "offline"),
    "join": ("member", "pending", "down", "banned", "nack"),
    "expected": ("member", "pending", "down", "banned", "nack"),
}


def status_findings(root: Element) -> Iterator[Finding]:
    """Yield every finding about the `<status>` of a `<cib>`."""
    nodes = {
        node.get("id", ""): node.get("uname", "")
        for node in root.iterfind("configuration/nodes/node")
    }
    primitives = {
        one.get("id", ""): one for one in root.iterfind("configuration/resources//primitive")
    }
    remote = {
        pair.get("value", "")
        for pair in root.iterfind("configuration//nvpair")
        if pair.get("name") == "remote-node"
    } | {one.get("id", "") for one in primitives.values() if one.get("type") == "remote"}
    bundles = [bundle.get("id", "") for bundle in root.iterfind("configuration/resources//bundle")]
    states = list(root.iterfind("status/node_state"))
    times = Counter((state.get("uname") or state.get("id") or "").lower() for state in states)
    for state in states:
        yield from _state(state, nodes, remote, bundles, times)
        for history in state.iterfind("lrm/lrm_resources/lrm_resource"):
            yield from _history(history, primitives, bundles)
        for pair in state.iterfind("transient_attributes/instance_attributes/nvpair"):
            yield from _attribute(pair)


def _state(
    state: Element,
    nodes: dict[str, str],
    remote: set[str],
    bundles: list[str],
    times: Counter[str],
) -> Iterator[Finding]:
    own, name = state.get("id", ""), state.get("uname", "")
    if not own and not name:
        yield _finding("state-of-nobody", Severity.ERROR, state,
                       "It has neither id nor uname.", "Say whose it is, or remove it.")  # fmt: skip
        return
    if times[(name or own).lower()] > 1:
        yield _finding("state-twice", Severity.WARNING, state,
                       f"There are {times[(name or own).lower()]} states of {name or own}.",
                       "Keep the one that is true.")  # fmt: skip
    guest = (
        name in remote
        or state.get("remote_node", "").lower() in {"true", "1", "yes"}
        or any(re.fullmatch(f"{re.escape(bundle)}-[0-9]+", name) for bundle in bundles)
    )
    known = {configured.lower() for configured in nodes.values()}
    if own in nodes and name and nodes[own] and nodes[own].lower() != name.lower():
        yield _finding("state-contradicts", Severity.ERROR, state,
                       f"Node {own} is called {nodes[own]}, and here {name}.",
                       "Write the name that <nodes> has.")  # fmt: skip
    elif own not in nodes and name.lower() not in known and not guest:
        yield _finding("state-of-unknown", Severity.WARNING, state,
                       f"There is no node {name or own} in <nodes>: it is left alone.",
                       "Add it to <nodes>, or remove the state.")  # fmt: skip
    for attribute, words in _STANDING.items():
        word = state.get(attribute)
        # Newer daemons write since when, in seconds.
        if word is not None and word.lower() not in words and not _NUMBER.fullmatch(word):
            sentence = f"{attribute}={word!r} is none of {', '.join(words)}."
            yield _finding("bad-standing", Severity.WARNING, state, sentence, "Correct it.")


def _history(
    history: Element, primitives: dict[str, Element], bundles: list[str]
) -> Iterator[Finding]:
    name = history.get("id", "")
    if not name:
        yield _finding("history-of-nothing", Severity.ERROR, history,
                       "The history has no id.", "Say of which resource it is.")  # fmt: skip
    plain = re.sub(r":[0-9]+$", "", name)
    configured = primitives.get(name, primitives.get(plain))
    implicit = any(name.startswith(f"{bundle}-") for bundle in bundles)
    if name and configured is None and not implicit:
        yield _finding("history-of-unknown", Severity.WARNING, history,
                       f"No resource {name} is configured: what runs of it is stopped.",
                       f"Correct the name, or forget it: ninefold resource cleanup {name}.")  # fmt: skip
    ids = Counter(op.get("id", "") for op in history.iterfind("lrm_rsc_op"))
    for op in history.iterfind("lrm_rsc_op"):
        if ids[op.get("id", "")] > 1:
            yield _finding("operation-twice", Severity.WARNING, op,
                           "Its id stands more than once in this history.",
                           "Keep the last one that ended.")  # fmt: skip
        yield from _operation(op)


def _operation(op: Element) -> Iterator[Finding]:
    if not op.get("operation"):
        yield _finding("operation-unnamed", Severity.ERROR, op,
                       "It does not say which operation it was.", _REMOVE)  # fmt: skip
    for name in _NUMBERS:
        word = op.get(name)
        if word is None or not _NUMBER.fullmatch(word):
            told = f"has no {name}" if word is None else f"has {name}={word!r}, which is no number"
            yield _finding("bad-number", Severity.ERROR, op, f"It {told}.", _REMOVE)
    interval = op.get("interval", "0")
    if not re.fullmatch(r"[0-9]{1,18}[a-z]*", interval):
        sentence = f"interval={interval!r} is no time."
        yield _finding("bad-number", Severity.ERROR, op, sentence, "Write milliseconds.")
    for name in _TIMES:
        word = op.get(name)
        if word and (not _NUMBER.fullmatch(word) or int(word) > _SECONDS_MAX):
            sentence = f"{name}={word!r} is no time: the failure would never expire."
            yield _finding("bad-time", Severity.WARNING, op, sentence, "Write seconds since 1970.")
    yield from _keys(op)
    for name in ("op-digest", "op-restart-digest", "op-secure-digest"):
        word = op.get(name)
        if word and not _DIGEST.fullmatch(word.lower()):
            sentence = f"{name} is no MD5 sum: the definition counts as changed."
            yield _finding("bad-digest", Severity.WARNING, op, sentence, "Remove it.")


def _keys(op: Element) -> Iterator[Finding]:
    key, magic = op.get("transition-key"), op.get("transition-magic")
    if key is not None and not _KEY.fullmatch(key):
        yield _finding("bad-key", Severity.WARNING, op,
                       f"transition-key={key!r} is not action:transition:expected:who: the expected"
                       " exit code is taken as unknown.", _REMOVE)  # fmt: skip
    if magic is None:
        return
    parts = _MAGIC.fullmatch(magic)
    if parts is None:
        yield _finding("bad-key", Severity.WARNING, op,
                       f"transition-magic={magic!r} is not status:code;key.", _REMOVE)  # fmt: skip
        return
    for name, word in zip(("op-status", "rc-code", "transition-key"), parts.groups(), strict=True):
        own = op.get(name)
        if own is not None and own != word:
            yield _finding("status-contradicts", Severity.WARNING, op,
                           f"{name} is {own}, and {word} in transition-magic; {own} counts.",
                           "Write the same in both.")  # fmt: skip


def _attribute(pair: Element) -> Iterator[Finding]:
    name, value = pair.get("name", ""), pair.get("value", "")
    if name.startswith("fail-count-") and not re.fullmatch(r"[0-9]{1,18}|\+?INFINITY", value):
        sentence = f"{name}={value!r} is no count: it is taken as 0."
        yield _finding("bad-count", Severity.WARNING, pair, sentence, "Write a number or INFINITY.")
    if name.startswith("last-failure-") and not re.fullmatch(r"[0-9]{1,12}", value):
        sentence = f"{name}={value!r} is no time: the failure would never expire."
        yield _finding("bad-time", Severity.WARNING, pair, sentence, "Write seconds since 1970.")


def _finding(
    code: str, severity: Severity, element: Element, sentence: str, remedy: str
) -> Finding:
    own = element.get("uname") or element.get("id") or element.get("name")
    subject = f"{element.tag} {own}" if own else str(element.tag)
    return Finding(code, severity, subject, sentence, remedy, line=line_of(element))
