"""How crm_simulate 2.1.5 reads defaults of kinds of resources: a rule to put in the place of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.scheduler import rules

if TYPE_CHECKING:
    import pytest
    from lxml.etree import _Element as Element

    from ninefold.scheduler.rules import Scope

_AGENT: Final = rules._agent


def provider_is_told(patch: pytest.MonkeyPatch) -> None:
    """Let an expression that names no provider hold only for agents that have none."""
    patch.setattr(rules, "_agent", _agent)


def _agent(part: Element, scope: Scope) -> bool:
    provider = "" if scope.resource is None else scope.resource[1]
    return _AGENT(part, scope) and (part.get("provider") is not None or not provider)
