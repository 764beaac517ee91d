"""A fence device: one `stonith` primitive, and what it says about which node it can silence.

The `pcmk_*` parameters are the field's: Pacemaker's "special meta-attributes for fencing
resources". Their meaning here is theirs, with one difference on the safe side: a device whose plug is
fixed although it covers several nodes is refused instead of silencing the wrong one.
"""

from __future__ import annotations

import difflib
import re
from enum import Enum
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.core.durations import millis
from ninefold.core.findings import Finding, Severity
from ninefold.core.instants import Millis
from ninefold.fencing.parameters import agent_parameters

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

# Pacemaker's default of `stonith-timeout`, and of `pcmk_*_retries`.
DEFAULT_TIMEOUT_MS: Final[Millis] = 60_000
DEFAULT_TRIES: Final = 2
# More tries than this can only be a slip; with the pause between them they would take a minute.
TRIES_MAX: Final = 100
PLUG_PARAMETERS: Final = ("plug", "port")
# The value of a plug parameter that means "from the host map", as pcs writes it.
DYNAMIC: Final = "dynamic"
ACTIONS: Final = ("off", "on", "reboot", "list", "status", "monitor")
_SPECIAL: Final = (
    "pcmk_host_list",
    "pcmk_host_map",
    "pcmk_host_check",
    "pcmk_host_argument",
    "pcmk_delay_base",
    "pcmk_delay_max",
    "pcmk_action_limit",
    *(f"pcmk_{action}_{what}" for action in ACTIONS for what in ("action", "timeout", "retries")),
)
_BOOLEANS: Final = {"true": True, "yes": True, "on": True, "1": True, "y": True}


class HostCheck(Enum):
    """How to find out whether a device can silence a node."""

    AUTO = ""
    STATIC_LIST = "static-list"
    DYNAMIC_LIST = "dynamic-list"
    STATUS = "status"
    NONE = "none"


class Covers(Enum):
    """Whether a device can silence a node."""

    YES = "the configuration says so"
    NO = "the configuration excludes it"
    ASK = "the device itself must be asked"


class Device(msgspec.Struct, frozen=True):
    """A fence device as configured. `parameters` are the agent's own, without any `pcmk_*`.

    `host_list` and the keys of `host_map` and `delay_base_by_node` are in lower case: node names
    are compared without regard to case, as Pacemaker does. `actions`, `timeouts_ms` and `tries`
    hold only what was configured. `refused` says why the device must not be used, or is empty.
    """

    id: str
    agent: str
    parameters: dict[str, str] = {}
    host_list: tuple[str, ...] = ()
    host_map: dict[str, str] = {}
    host_check: HostCheck = HostCheck.AUTO
    host_argument: str = ""
    delay_base_ms: Millis = 0
    delay_base_by_node: dict[str, Millis] = {}
    delay_max_ms: Millis = 0
    actions: dict[str, str] = {}
    timeouts_ms: dict[str, Millis] = {}
    tries: dict[str, int] = {}
    default_timeout_ms: Millis = DEFAULT_TIMEOUT_MS
    priority: int = 0
    verify: bool = False
    refused: str = ""

    def plug(self, target: str) -> str:
        """Return what the device calls `target`."""
        return self.host_map.get(target.lower(), target)

    def fixed_plug(self) -> str:
        """Return the plug that is set as an ordinary parameter of the agent, or ""."""
        names = [self.host_argument] if self.host_argument else PLUG_PARAMETERS
        for name in names:
            value = self.parameters.get(name, "")
            if value and value != DYNAMIC:
                return value
        return ""

    def word(self, action: str) -> str:
        """Return the agent's word for an action (`pcmk_reboot_action=off`)."""
        return self.actions.get(action, action)

    def timeout_ms(self, action: str) -> Millis:
        """Return how long an action may take, all tries together."""
        return self.timeouts_ms.get(action, self.default_timeout_ms)

    def tries_of(self, action: str) -> int:
        """Return how often an action is tried within its timeout."""
        return self.tries.get(action, DEFAULT_TRIES)

    def delay_ms(self, target: str, rng: random.Random) -> Millis:
        """Return how long to wait before silencing `target`: base, and chance up to the maximum."""
        base = self.delay_base_by_node.get(target.lower(), self.delay_base_ms)
        return base + rng.randint(0, self.delay_max_ms - base) if self.delay_max_ms > base else base

    def covers(self, target: str) -> Covers:
        """Return whether the device can silence `target`, as far as the configuration tells."""
        if self.refused:
            return Covers.NO
        name = target.lower()
        listed = name in self.host_list or name in self.host_map
        match self.host_check:
            case HostCheck.NONE:
                return Covers.YES
            case HostCheck.STATIC_LIST:
                return Covers.YES if listed else Covers.NO
            case HostCheck.AUTO if self.host_list or self.host_map:
                return Covers.YES if listed else Covers.NO
            case _:
                return Covers.ASK


def read_device(
    name: str,
    agent: str,
    given: Mapping[str, str],
    *,
    nodes: Sequence[str],
    default_timeout_ms: Millis = DEFAULT_TIMEOUT_MS,
    priority: int = 0,
) -> tuple[Device, list[Finding]]:
    """Make a device of a primitive's instance attributes; say everything that is wrong."""
    found = _Findings(f"stonith device {name}")
    base, by_node = _delay_base(given.get("pcmk_delay_base", ""), found)
    device = Device(
        id=name,
        agent=agent,
        parameters=agent_parameters(given),
        host_list=tuple(_words(given.get("pcmk_host_list", ""))),
        host_map=_host_map(given.get("pcmk_host_map", ""), found),
        host_check=_host_check(given.get("pcmk_host_check", ""), found),
        host_argument=given.get("pcmk_host_argument", ""),
        delay_base_ms=base,
        delay_base_by_node=by_node,
        delay_max_ms=_span("pcmk_delay_max", given.get("pcmk_delay_max", "0"), found),
        actions={
            action: given[f"pcmk_{action}_action"]
            for action in ACTIONS
            if given.get(f"pcmk_{action}_action")
        },
        timeouts_ms={
            action: _span(f"pcmk_{action}_timeout", given[f"pcmk_{action}_timeout"], found)
            or default_timeout_ms
            for action in ACTIONS
            if f"pcmk_{action}_timeout" in given
        },
        tries={
            action: _tries(f"pcmk_{action}_retries", given[f"pcmk_{action}_retries"], found)
            for action in ACTIONS
            if f"pcmk_{action}_retries" in given
        },
        default_timeout_ms=default_timeout_ms,
        priority=priority,
        verify=_BOOLEANS.get(given.get("ninefold_verify", "").lower(), False),
    )
    _check_names(device, given, nodes, found)
    refused = _ambiguous_plug(device, nodes)
    if refused:
        found.error("fence-plug-ambiguous", refused, "Use pcmk_host_map instead.")
        device = msgspec.structs.replace(device, refused=refused)
    return device, found.findings


class _Findings:
    """Collects findings about one subject."""

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self.findings: list[Finding] = []

    def error(self, code: str, sentence: str, remedy: str) -> None:
        self.findings.append(Finding(code, Severity.ERROR, self._subject, sentence, remedy))

    def warn(self, code: str, sentence: str, remedy: str) -> None:
        self.findings.append(Finding(code, Severity.WARNING, self._subject, sentence, remedy))


def _words(text: str) -> list[str]:
    return [word.lower() for word in re.split(r"[\s,;|]+", text) if word]


def _pairs(text: str) -> list[tuple[str, str]]:
    """Split `a:1;b:2,3` (also with `=`, or blanks between entries); no value gives ""."""
    result = []
    for entry in re.split(r"[;\s]+", text):
        if entry:
            name, _, value = re.sub("=", ":", entry, count=1).partition(":")
            result.append((name.lower(), value))
    return result


def _host_map(text: str, found: _Findings) -> dict[str, str]:
    result: dict[str, str] = {}
    for name, value in _pairs(text):
        if not name or not value:
            found.error(
                "fence-host-map",
                f"The entry {name or value!r} of pcmk_host_map has no plug or no node.",
                'Write "node1:plug1;node2:plug2".',
            )
        elif result.get(name, value) != value:
            found.error(
                "fence-host-map",
                f"pcmk_host_map gives {name} two plugs: {result[name]} and {value}.",
                "Keep one; several plugs of one node are written node:1,2.",
            )
            del result[name]
        else:
            result[name] = value
    return result


def _host_check(text: str, found: _Findings) -> HostCheck:
    try:
        return HostCheck(text)
    except ValueError:
        known = ", ".join(check.value for check in HostCheck if check.value)
        found.error(
            "fence-host-check", f"pcmk_host_check is {text!r}.", f"It takes one of: {known}."
        )
        return HostCheck.AUTO


def _delay_base(text: str, found: _Findings) -> tuple[Millis, dict[str, Millis]]:
    if ":" not in text and "=" not in text:
        return _span("pcmk_delay_base", text or "0", found), {}
    return 0, {name: _span("pcmk_delay_base", value, found) for name, value in _pairs(text)}


def _span(name: str, text: str, found: _Findings) -> Millis:
    span = millis(text)
    if span is None:
        found.error("fence-duration", f"{name} is {text!r}.", "Write a span of time such as 15s.")
        return 0
    return span


def _tries(name: str, text: str, found: _Findings) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= TRIES_MAX:
        return int(text)
    found.error("fence-retries", f"{name} is {text!r}.", f"Write a number from 1 to {TRIES_MAX}.")
    return DEFAULT_TRIES


def _check_names(
    device: Device, given: Mapping[str, str], nodes: Sequence[str], found: _Findings
) -> None:
    known = [node.lower() for node in nodes]
    named = dict.fromkeys([*device.host_list, *device.host_map, *device.delay_base_by_node])
    for name in named:
        if nodes and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            remedy = f"Did you mean {near[0]}?" if near else f"The nodes are: {', '.join(nodes)}."
            found.error("fence-node-unknown", f"It names the node {name}, which is none.", remedy)
    for name in given:
        if name.startswith("pcmk_") and name not in _SPECIAL:
            near = difflib.get_close_matches(name, _SPECIAL, n=1)
            remedy = f"Did you mean {near[0]}?" if near else "Remove it."
            found.warn("fence-parameter-unknown", f"{name} is not known.", remedy)
    if given.get("action") or given.get("option"):
        found.warn(
            "fence-action-set",
            "It sets the agent's action, which the cluster decides.",
            "Remove it; use pcmk_reboot_action or pcmk_off_action if the agent's word differs.",
        )
    if device.host_check is HostCheck.STATIC_LIST and not (device.host_list or device.host_map):
        found.error(
            "fence-host-list",
            "pcmk_host_check is static-list, but there is no list: it covers no node.",
            "Set pcmk_host_list or pcmk_host_map.",
        )
    if 0 < device.delay_max_ms < device.delay_base_ms:
        found.warn(
            "fence-delay",
            "pcmk_delay_max is below pcmk_delay_base, so there is no random part.",
            "Make the maximum greater than the base, or remove it.",
        )


def _ambiguous_plug(device: Device, nodes: Sequence[str]) -> str:
    fixed = device.fixed_plug()
    if not fixed:
        return ""
    covered = [node for node in nodes if device.covers(node) is not Covers.NO]
    plugs = dict.fromkeys(device.plug(node) for node in covered if node.lower() in device.host_map)
    if len(covered) > 1:
        return f"Its plug is fixed to {fixed}, but it covers {', '.join(covered)}."
    if any(plug != fixed for plug in plugs):
        return f"Its plug is fixed to {fixed}, but pcmk_host_map says {', '.join(plugs)}."
    return ""
