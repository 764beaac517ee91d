"""Compare what an operator configured with what the agent says it takes.

The agent's own `validate-all` knows more, but it runs on one node and speaks only after the fact;
this needs the metadata alone and names every mistake at once.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Final

from ninefold.core.durations import millis
from ninefold.core.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ninefold.agents.metadata import Metadata, Parameter
    from ninefold.agents.model import Call

# Names that the cluster reads itself, so no agent advertises them.
_OWN_PREFIXES: Final = ("CRM_meta_", "pcmk_", "ninefold_", "stonith-", "trace_")
_OWN_NAMES: Final = ("OCF_CHECK_LEVEL", "provides", "crm_feature_set")
_BOOLEANS: Final = ("true", "false", "yes", "no", "on", "off", "1", "0", "y", "n")
_INTEGER: Final = re.compile(r"[+-]?\d+")


def validate(call: Call, metadata: Metadata) -> list[Finding]:
    """Return everything wrong with the action and the parameters of `call`."""
    return [
        *_unknown_action(call, metadata),
        *parameters(f"{call.resource} ({call.agent})", call.parameters, metadata),
    ]


def parameters(subject: str, given: Mapping[str, str], metadata: Metadata) -> list[Finding]:
    """Return everything wrong with the parameters `given` to `subject`."""
    return [
        *_missing(subject, given, metadata),
        *_unknown(subject, given, metadata),
        *_mistyped(subject, given, metadata),
    ]


def _unknown_action(call: Call, metadata: Metadata) -> Iterator[Finding]:
    names = [action.name for action in metadata.actions]
    if names and call.action not in names:
        yield _finding(
            "agent-action",
            Severity.ERROR,
            f"{call.resource} ({call.agent})",
            f"The agent has no action {call.action}.",
            f"It has: {', '.join(dict.fromkeys(names))}.",
        )


def _missing(subject: str, given: Mapping[str, str], metadata: Metadata) -> Iterator[Finding]:
    for parameter in metadata.parameters:
        if not _must_be_given(parameter) or parameter.name in given:
            continue
        if any(name in given for name in _other_names(parameter, metadata)):
            continue
        yield _finding(
            "agent-parameter-missing",
            Severity.ERROR,
            subject,
            f"The required parameter {parameter.name} is missing.",
            f"Set {parameter.name}{f' ({parameter.short})' if parameter.short else ''}.",
        )


def _must_be_given(parameter: Parameter) -> bool:
    """Tell whether to ask for it; of a deprecated name only its successor is asked for."""
    return parameter.required and parameter.default is None and not parameter.deprecated


def _other_names(parameter: Parameter, metadata: Metadata) -> list[str]:
    """Return the older and newer names of the same thing."""
    newer = [item.name for item in metadata.parameters if item.obsoletes == parameter.name]
    return [parameter.obsoletes, *newer]


def _unknown(subject: str, given: Mapping[str, str], metadata: Metadata) -> Iterator[Finding]:
    known = [parameter.name for parameter in metadata.parameters]
    for name in given:
        if name in known or name in _OWN_NAMES or name.startswith(_OWN_PREFIXES):
            continue
        near = difflib.get_close_matches(name, known, n=1)
        remedy = f"Did you mean {near[0]}?" if near else f"It takes: {', '.join(known) or 'none'}."
        yield _finding(
            "agent-parameter-unknown",
            Severity.WARNING,
            subject,
            f"The agent does not know the parameter {name}.",
            remedy,
        )


def _mistyped(subject: str, given: Mapping[str, str], metadata: Metadata) -> Iterator[Finding]:
    for parameter in metadata.parameters:
        value = given.get(parameter.name)
        if value is None or _fits(parameter, value):
            continue
        wanted = f"one of {', '.join(parameter.values)}" if parameter.values else parameter.type
        yield _finding(
            "agent-parameter-type",
            Severity.WARNING,
            subject,
            f"The parameter {parameter.name} is {value!r}, which is no {parameter.type}."
            if not parameter.values
            else f"The parameter {parameter.name} is {value!r}.",
            f"It takes {wanted}.",
        )


def _fits(parameter: Parameter, value: str) -> bool:
    match parameter.type:
        case "integer":
            return _INTEGER.fullmatch(value) is not None
        case "boolean":
            return value.lower() in _BOOLEANS
        case "second" | "time":
            return millis(value) is not None
        case "select":
            return not parameter.values or value in parameter.values
        case _:
            return True


def _finding(code: str, severity: Severity, subject: str, sentence: str, remedy: str) -> Finding:
    return Finding(code, severity, subject, sentence, remedy)
