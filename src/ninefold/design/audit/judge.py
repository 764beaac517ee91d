"""What the facts mean: every rule asked of every host, and of all hosts what they share.

Pure: the same facts give the same judgements, errors first within a layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.design.audit import rules_bonds, rules_host, rules_network, rules_storage
from ninefold.design.audit.facts import Audit, HostFacts, Judgement
from ninefold.design.audit.rules import ERROR, INFO, WARNING
from ninefold.design.audit.shared import shared
from ninefold.design.library import LAYERS

if TYPE_CHECKING:
    from collections.abc import Iterable

RULES: Final = (*rules_host.RULES, *rules_network.RULES, *rules_bonds.RULES, *rules_storage.RULES)
_ORDER: Final = (ERROR, WARNING, INFO)


def judge(facts: HostFacts) -> tuple[Judgement, ...]:
    """Return what the facts of one host mean, by layer and severity; open questions last."""
    found = [judgement for rule in RULES for judgement in rule.judged(facts)]
    return tuple(sorted(found, key=_place))


def _place(judgement: Judgement) -> tuple[bool, int, int, str, str]:
    layer = LAYERS.index(judgement.layer)
    severity = _ORDER.index(judgement.severity)
    return judgement.unknown, severity, layer, judgement.code, judgement.subject


def audit(hosts: Iterable[HostFacts]) -> Audit:
    """Return one audit of several hosts; of a host that was seen twice, the later look counts."""
    latest: dict[str, HostFacts] = {}
    for facts in hosts:
        if facts.host not in latest or latest[facts.host].at <= facts.at:
            latest[facts.host] = facts
    every = tuple(latest[name] for name in sorted(latest))
    judgements = [judgement for facts in every for judgement in judge(facts)]
    judgements += shared(every)
    return Audit(every, tuple(sorted(judgements, key=lambda j: (*_place(j), j.host))))
