"""Mend everything, and demand that all becomes well: the second half of every run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.cib import model as cib
from ninefold.controller import requests as rq
from ninefold.core.instants import NEVER
from ninefold.sim import liveness
from ninefold.sim.checkers import Violation
from ninefold.sim.host import Daemon, Host
from ninefold.sim.loads import check_rest
from ninefold.sim.network import Weather

if TYPE_CHECKING:
    from ninefold.core.instants import Millis
    from ninefold.sim.world import World

# When all is well, for so long nothing may begin: a cluster that never rests has not recovered.
QUIET_MS: Final[Millis] = 5_000

# What was asked for has been decided about after this, unless something hinders.
SEEN_MS: Final[Millis] = 1_000

# After everything was mended a host may be fenced for what was done to it before; and once more, if the
# device cut its power just after it had come back, for then nobody can tell that from a new crash.
FENCES_MAX: Final = 2


def recover(world: World) -> None:
    """Mend everything and demand recovery; `Violation` if it does not come, or takes too long."""
    mend(world)
    limit = liveness.membership_limit(world)
    if not world.advance_until(lambda: not _revived(world), limit):
        raise Violation(f"no single membership {limit} ms after the end: {liveness.apart(world)}")
    fences = len(world.fences)
    late = _late(world)
    asked = _tidy_up(world)
    if not _all_well(world, asked):
        # Whoever asked a daemon that then ended asks again, or was told to look and try again.
        if not late and (asked.granted(world) or asked.stands):
            raise Violation(_not_well(world))
        asked = _tidy_up(world)
        if not _all_well(world, asked):
            raise Violation(_not_well(world))
    _demand_rest(world)
    _demand_few_fences(world, fences)
    missing = world.promises.missing(liveness.controllers(world)[0].replica.authority)
    if missing and world.documents.lasting:
        raise Violation(f"acknowledged, but not in the document: {missing}")


def mend(world: World) -> None:
    """Let nothing be broken any more."""
    # A device that was asked before acts, however late: that is the last fault.
    world.advance(max(0, world.effects.fencing_until - world.now))
    world.moments.clear()
    world.mended += 1
    world.say("plan", "changed", "everything is mended")
    world.network.weather = Weather()
    world.heal()
    world.fence_device = "works"
    _give_keys(world)
    for host in world.hosts.values():
        host.disk.condition, host.disk.slow = "works", False
        host.resources.faults = []
        host.slow_ms = 0
        host.clock.run(world.now, 0)
        if host.frozen or host.daemon is Daemon.PAUSED:
            world.resume(host.id)
        host.clock.ahead_s = 0
        world.power_on(host.id)
        if world.corosync is not None:
            world.corosync.start(host.id)
        world.start_daemon(host.id)
        if host.node is not None:
            world.arm(host)


def _give_keys(world: World) -> None:
    """Copy the key by hand, as an operator is told to who has left somebody out of a rotation.

    Not before all others are through with it.
    """
    left_out = world.keyring.left_out
    others = [host.disk.keys for node, host in world.hosts.items() if node not in left_out]
    if not left_out or len(set(others)) > 1:
        return
    for node in world.keyring.strangers():
        world.kill_daemon(node)
    world.keyring.copy_by_hand()


def _revived(world: World) -> list[str]:
    # A rotation that was asked for just before the end leaves somebody out only now.
    _give_keys(world)
    # A daemon that an operator stopped just before the end still leaves: it is started again.
    for host in world.hosts.values():
        if host.powered and host.daemon is Daemon.GONE:
            world.start_daemon(host.id)
    return liveness.apart(world)


def _late(world: World) -> bool:
    """Is something under way that may come out when all was tidied up, and has to be tidied up then?

    What was begun in the bad times may fail, and what was asked then be carried out.
    """
    begun = [call for host in world.hosts.values() for call in host.agents.values()]
    return bool(world.unanswered) or any(c.action not in ("monitor", "notify") for c in begun)


class Asked(msgspec.Struct):
    """What was asked of one life of a daemon."""

    host: Host
    life: int
    numbers: list[int]

    @property
    def stands(self) -> bool:
        """Has that daemon not ended since? One that does takes its callers' answers with it."""
        return self.host.life == self.life

    def open(self, world: World) -> list[int]:
        """Return what has no answer yet."""
        return [number for number in self.numbers if number not in world.answers]

    def granted(self, world: World) -> bool:
        """Was everything acknowledged?"""
        return not self.open(world) and all(world.answers[number].ok for number in self.numbers)


def _tidy_up(world: World) -> Asked:
    """Do what an operator does afterwards: failures are forgotten, nodes and resources are on."""
    controller = liveness.controllers(world)[0]
    changes: list[rq.OperatorChange] = [cib.ForgetHistory()]
    changes += [cib.SetProperty(n, None) for n in ("maintenance-mode", "stop-all-resources")]
    for resource in liveness.resources(world):
        changes.append(cib.SetMetaAttribute(resource, "target-role", None))
        changes.append(cib.SetMetaAttribute(resource, "is-managed", None))
    for name, options in world.instances.options.items():
        changes.append(cib.SetMetaAttribute(name, "target-role", None))
        changes.append(cib.SetMetaAttribute(name, "clone-max", options.get("clone-max")))
    changes += [cib.ClearMoves(name) for name in liveness.moved(world)]
    for host in world.hosts.values():
        changes.append(cib.SetNodeAttribute(host.name, "standby", None))
        changes.append(cib.SetNodeAttribute(host.name, "maintenance", None))
    host = world.hosts[controller.situation.me]
    life = host.life
    numbers = [
        world.ask(host.id, "alice", rq.encode(rq.ChangeCib(change, "tidy up")))
        for change in changes
    ]
    return Asked(host, life, numbers)


def _all_well(world: World, asked: Asked) -> bool:
    """Let time pass until all is well; False if that takes too long."""
    # A token that was lost in the last of the bad weather is missed for a while yet.
    world.advance_until(lambda: not asked.open(world), world.config.totem.token)
    world.advance(SEEN_MS)
    return world.advance_until(
        # What was ordered before the operator tidied up still strikes, what was asked before may yet be done:
        # no reason to call this rest.
        lambda: (
            not (
                _revived(world)
                or liveness.wanting(world)
                or world.unanswered
                or world.effects.fencing_until > world.now
                or any(c.desk.deadline < NEVER for c in liveness.controllers(world))
            )
        ),
        liveness.service_limit(world),
        step=200,
    )


def _not_well(world: World) -> str:
    limit = liveness.service_limit(world)
    wanting = [*liveness.wanting(world)]
    if world.unanswered:  # L7
        wanting.append(f"requests without an answer: {len(world.unanswered)}")
    return f"not all is well {limit} ms later: {wanting}"


def _demand_rest(world: World) -> None:
    begun, rings = len(world.trace), liveness.rings(world)
    world.advance(QUIET_MS)
    restless = [line for line in world.trace[begun:] if line.what == "transition"]
    if restless or liveness.wanting(world):
        raise Violation(f"no rest: {len(restless)} transitions, {liveness.wanting(world)}")
    if rings != liveness.rings(world):
        raise Violation(f"no rest: from ring {rings} to {liveness.rings(world)}")
    check_rest(world.hosts.values())
    unheard = world.views.unheard()
    if unheard:
        raise Violation(f"no rest: {unheard}")


def _demand_few_fences(world: World, before: int) -> None:
    """Nobody is fenced again and again for what is long past (F1, F2)."""
    names = [name for _, action, name in world.fences[before:] if action != "on"]
    for name in sorted(set(names)):
        if names.count(name) > FENCES_MAX:
            raise Violation(
                f"{name} was fenced {names.count(name)} times after everything was mended"
            )
