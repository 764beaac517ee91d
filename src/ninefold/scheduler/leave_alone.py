"""What the controller cannot carry out yet, and therefore must not be asked to.

Half of an action is worse than none: a resource that would need what is missing is unmanaged, and
the operator is told, and so of what is not heeded. The decision itself is complete; simulations ask for all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.cib.carried import not_heeded
from ninefold.scheduler.workspace import Variant

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Resource, Workspace


def leave_alone(work: Workspace) -> None:
    """Take out of the controller's hands what it would do wrong, and say what it does not heed."""
    configuration = work.root.find("configuration")
    for finding in [] if configuration is None else not_heeded(configuration):
        work.warn(f"{finding.sentence} {finding.remedy}")
    for resource in work.resources:
        if resource.variant is Variant.BUNDLE:
            work.warn(f"{resource.id} is left alone: bundles cannot be run yet.")
            _unmanage(resource)
            continue
        for leaf in resource.primitives():
            if leaf.remote_connection:
                work.warn(f"{leaf.id} is left alone: remote and guest nodes cannot be run yet.")
                _unmanage(leaf)


def _unmanage(resource: Resource) -> None:
    for one in resource.tree():
        one.managed = False
