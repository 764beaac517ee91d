"""What recorded migrations say about where a resource is now: section 6.1.

A migration is a migrate_to on the source, a migrate_from on the target and a stop on the source.
Anything may have been interrupted in between, and either history may have been cleared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler.entries import changes_state_after, found_stopped_after
from ninefold.scheduler.policies import add_running
from ninefold.scheduler.words import Role

if TYPE_CHECKING:
    from ninefold.scheduler.entries import Entry
    from ninefold.scheduler.history import Story
    from ninefold.scheduler.workspace import Node, Resource, Workspace


def _ends(entry: Entry) -> tuple[str, str]:
    return entry.element.get("migrate_source") or "", entry.element.get("migrate_target") or ""


def _find(
    story: Story, node: str, task: str, pair: tuple[str, str], rc: int | None
) -> Entry | None:
    """Return the migration event `task` on `node` between `pair`, with exit code `rc` if given."""
    for entry in story.histories.on(node, _name(story)):
        if entry.task == task and _ends(entry) == pair and rc in {None, entry.rc}:
            return entry
    return None


def _name(story: Story) -> str:
    return story.record.element.get("id") or ""


def _newer_state(
    story: Story, node: str, migrate_to: Entry | None, migrate_from: Entry | None
) -> bool:
    """Whether `node` has seen anything about the resource since the migration."""
    event = migrate_from or migrate_to
    if event is None:
        return False
    source, target = _ends(event)
    same_node = False
    if node == source and migrate_to is not None:
        event, same_node = migrate_to, True
    elif node == target and migrate_from is not None:
        event, same_node = migrate_from, True
    entries = story.histories.on(node, _name(story))
    return changes_state_after(entries, event, same_node=same_node) or found_stopped_after(
        entries, event, same_node=same_node
    )


def succeeded(work: Workspace, story: Story, entry: Entry) -> None:
    """Conclude from a successful migrate_to."""
    resource, node = story.record.resource, story.record.node
    source, target = _ends(entry)
    if not source or not target:
        return
    newer_on_source = changes_state_after(
        story.histories.on(source, _name(story)), entry, same_node=True
    )
    arrival = _find(story, target, "migrate_from", (source, target), None)
    if arrival is not None and newer_on_source:
        return
    newer_on_target = _newer_state(story, target, entry, arrival)
    if newer_on_source and newer_on_target:
        return
    if arrival is not None and arrival.rc == 0 and arrival.status == 0:
        resource.role = Role.STOPPED
        resource.dangling.insert(0, node)
        return
    resource.role = Role.STARTED
    target_node = work.node(target)
    reachable = not newer_on_target and target_node is not None and target_node.online
    if arrival is not None and arrival.status != -1:
        if reachable:
            assert target_node is not None
            add_running(work, resource, target_node, failed=True)
        else:
            _recover(resource)
    elif reachable:
        assert target_node is not None
        add_running(work, resource, target_node, failed=False)
        source_node = work.node(source)
        if source_node is not None and source_node.online:
            resource.partial_source = source_node
            resource.partial_target = target_node
    elif not newer_on_source:
        _recover(resource)


def _recover(resource: Resource) -> None:
    resource.failed = True
    resource.stop_if_failed = True
    resource.migratable = False


def _unknown_on(story: Story, node: str) -> bool:
    entries = story.histories.on(node, _name(story))
    return not any(entry.rc != 193 for entry in entries)


def migrate_to_failed(work: Workspace, story: Story, entry: Entry) -> None:
    """Conclude from a failed migrate_to: it may have arrived all the same."""
    resource = story.record.resource
    source, target = _ends(entry)
    resource.role = Role.STARTED
    arrival = _find(story, target, "migrate_from", (source, target), 0)
    if not _unknown_on(story, target) and not _newer_state(story, target, entry, arrival):
        _run_on(work, resource, work.node(target), failed=False)
    elif not changes_state_after(story.histories.on(source, _name(story)), entry, same_node=True):
        resource.dangling.insert(0, story.record.node)


def migrate_from_failed(work: Workspace, story: Story, entry: Entry) -> None:
    """Conclude from a failed migrate_from: it may never have left."""
    resource = story.record.resource
    source, target = _ends(entry)
    resource.role = Role.STARTED
    departure = _find(story, source, "migrate_to", (source, target), 0)
    if not _unknown_on(story, source) and not _newer_state(story, source, departure, entry):
        _run_on(work, resource, work.node(source), failed=True)


def _run_on(work: Workspace, resource: Resource, node: Node | None, *, failed: bool) -> None:
    if node is not None and node.online:
        add_running(work, resource, node, failed=failed)
