"""One node on the real host: performs what its machines ask for, and tells them what came of it.

The loop of the ring does no blocking work: the store has its thread, decisions have theirs, ring
numbers are synced in another, agents are processes.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, assert_never

from ninefold.agents.model import OpStatus, Outcome, Rc
from ninefold.corosync.messages import BOOT_BYTES
from ninefold.daemon.decision import Failures, decided
from ninefold.daemon.faults import die
from ninefold.daemon.journal import Journal, shown_event
from ninefold.daemon.keys import begun, judge, new_key, save_keys
from ninefold.daemon.outlook import told_of_ring
from ninefold.daemon.reload import key_of, not_ours, read_again
from ninefold.daemon.reply import Reply, refusal
from ninefold.daemon.rising import Rising
from ninefold.daemon.settings import SOCKET_NAME, expected_file, ring_seq_file
from ninefold.daemon.wires import CorosyncWire, RingWire
from ninefold.host import clock
from ninefold.host.agents import FENCE_DIRECTORIES, AgentRunner, host_places
from ninefold.host.files import save_expected, save_ring_seq
from ninefold.host.loop import MachineLoop, collect_when_idle, tame_gc
from ninefold.host.orphans import owner
from ninefold.host.started import Started
from ninefold.host.store import StoreError
from ninefold.host.watchdog import NoWatchdog, open_watchdog
from ninefold.node import events as ev
from ninefold.node.backend import embedded, on_corosync
from ninefold.node.machine import Node
from ninefold.totem.packet import EPOCH_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from concurrent.futures import Future

    from ninefold.daemon.settings import Beginning, Settings
    from ninefold.daemon.wires import Wire
    from ninefold.node.backend import Backend
    from ninefold.node.reload_messages import Round
    from ninefold.totem.keys import KeySet

LOG: Final = logging.getLogger("ninefold.daemon")

# Operators' requests under way; more are refused rather than queued.
REQUESTS_MAX: Final = 256

# The wall clock is told to the machines this often, so that a step of it is seen soon.
CLOCK_PERIOD_S: Final = 10.0

# A reload by a signal waits this long for a ring that is being formed.
RING_WAIT_S: Final = 30


def _backend(beginning: Beginning, rng: random.Random) -> Backend:
    """Return what carries the node's messages. Its mark of this start is drawn here."""
    config, seq = beginning.config, beginning.ring_seq
    mark = os.urandom(EPOCH_BYTES)
    if beginning.on_corosync:
        return on_corosync(config, ring_seq=seq, boot=mark.ljust(BOOT_BYTES, b"\0"))
    return embedded(
        config,
        keys=beginning.keys,
        ring_seq=seq,
        epoch=mark,
        rng=rng,
        expected_floor=beginning.expected_floor,
    )


class Service:
    """A running node. Make it, `start` it, wait for `ended`."""

    def __init__(self, settings: Settings, beginning: Beginning) -> None:
        self.settings = settings
        self.beginning = beginning
        config = self.beginning.config
        self.name = config.node(config.local).name
        self._started = Started(settings.run / "started")
        rng = random.Random(os.urandom(16))  # noqa: S311 - jitter, not secrets
        self.node = Node(
            config,
            backend=_backend(beginning, rng),
            rng=rng,
            stamp=self.beginning.stamp,
            cib=self.beginning.cib,
            started=self._started.load(),
        )
        self.journal = Journal(self.beginning.store, self.name)
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="work")
        self._ring_seq, self._expected = self._numbers()
        self._requests: dict[int, asyncio.Future[Reply]] = {}
        self._request = 0
        self._failures = Failures()
        self._tasks: set[asyncio.Task[None]] = set()
        self.ended: asyncio.Future[str] | None = None
        self.stopping = False
        self._loop: asyncio.AbstractEventLoop
        self._machine: MachineLoop[ev.Event, ev.Effect]
        self._watchdog = (
            open_watchdog(settings.watchdog_ms)
            if settings.watchdog_ms
            else NoWatchdog("none was asked for")
        )

    def start(self) -> None:
        """Open the sockets and begin; raises `RingUnbindable`."""
        self._loop = asyncio.get_running_loop()
        self.ended = self._loop.create_future()
        config = self.beginning.config
        self._machine = MachineLoop(self._loop, self.node, self._perform, woke=ev.Woke())
        make = CorosyncWire if self.beginning.on_corosync else RingWire
        self._wire: Wire = make(self._loop, config, self._machine.post)
        self._agents = AgentRunner(
            fence_directories=(*self.settings.fence_directories, *FENCE_DIRECTORIES),
            ocf_roots=self.settings.ocf_roots,
            owner=owner(self.settings.state),
            places=host_places(
                socket=str(self.settings.run / SOCKET_NAME), node=config.node(config.local).name
            ),
        )
        self._collector = collect_when_idle(self._loop, self._machine)
        self._tell_clock()
        self._machine.post(ev.Started())
        tame_gc()

    def _tell_clock(self) -> None:
        self._watchdog.feed()
        self._machine.post(ev.ClockRead(clock.wall()))
        period = CLOCK_PERIOD_S
        if self._watchdog.armed:
            period = min(period, self._watchdog.timeout_ms / 4000)
        self._clock_timer = self._loop.call_later(period, self._tell_clock)

    def stop(self) -> None:
        """Ask the node to leave cleanly."""
        self.stopping = True
        self._machine.post(ev.Stop())

    async def close(self) -> None:
        """Let go of everything; what was being saved is saved first."""
        self._clock_timer.cancel()
        self._collector.close()
        self._machine.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for waiting in self._requests.values():
            if not waiting.done():
                waiting.set_result(refusal("stopped", "This node has stopped meanwhile."))
        await self._wire.close()
        self.journal.close()
        await self._agents.close()
        await self._loop.run_in_executor(None, self.beginning.store.close)
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._watchdog.close()

    # Effects.

    def _perform(self, effect: ev.Effect) -> None:
        match effect:
            case (
                ev.SendPacket() | ev.ProbeKernel() | ev.Connect() | ev.Multicast() | ev.Disconnect()
            ):
                self._wire.perform(effect)
            case ev.ReadFile() | ev.Reconfigured():
                self._perform_reload(effect)
            case ev.SaveRingSeq(seq):
                self._spawn(self._save_ring_seq(seq))
            case ev.SaveExpected(votes):
                self._spawn(self._save_expected(votes))
            case ev.SaveKeys(keys):
                self._spawn(self._save_keys(keys))
            case ev.SaveCib():
                self._save(effect)
            case ev.RunAgent(token, call):
                self._spawn(self._run(token, call))
            case ev.Decide():
                self._spawn(self._decide(effect))
            case ev.Answer(request, ok, body):
                waiting = self._requests.pop(request, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(Reply(ok, body))
            case ev.Happened():
                self.journal.write(effect)
            case ev.Halted(reason):
                if self.ended is not None and not self.ended.done():
                    self.ended.set_result(reason)
            case ev.SelfFence(reason):
                self._self_fence(reason)
            case _:
                assert_never(effect)

    def _self_fence(self, reason: str) -> None:
        self.journal.write(ev.Happened("self-fence", f"this host is reset: {reason}"))
        self._watchdog.self_fence(reason)
        if not self._watchdog.armed:
            # Where that is possible it does not come back to here.
            text = f"this host cannot reset itself: {self._watchdog.reason}. Start ninefoldd with --watchdog-ms"
            self.journal.write(ev.Happened("self-fence-impossible", text))

    def _perform_reload(self, effect: ev.ReadFile | ev.Reconfigured) -> None:
        if isinstance(effect, ev.ReadFile):
            self._spawn(self._read_file(effect.round))
            return
        for finding in self._wire.reconfigure(effect.config):
            self.journal.write(ev.Happened("link-closed", str(finding)))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            die(f"the task {task.get_coro()} failed", task.exception())

    def _numbers(self) -> tuple[Rising, Rising]:
        """Return what keeps the bound of ring numbers, and the highest expected votes."""
        state, begun = self.settings.state, self.beginning
        bound = functools.partial(save_ring_seq, ring_seq_file(state))
        votes = functools.partial(save_expected, expected_file(state))
        return (
            Rising(self._threads, bound, floor=begun.ring_seq),
            Rising(self._threads, votes, floor=begun.expected_floor),
        )

    async def _save_ring_seq(self, seq: int) -> None:
        try:
            await self._ring_seq.save(seq)
        except OSError as error:
            # Without a durable bound this node must not join that ring; it stays in gather and
            # tries again with the next one.
            path = ring_seq_file(self.settings.state)
            text = f"the ring's number cannot be saved in {path}: {error.strerror}"
            self.journal.write(ev.Happened("store-failed", text))
            return
        self._machine.post(ev.RingIdSaved(seq))

    async def _save_expected(self, votes: int) -> None:
        try:
            await self._expected.save(votes)
        except OSError as error:
            path = expected_file(self.settings.state)
            text = f"the highest expected votes cannot be saved in {path}: {error.strerror}"
            self.journal.write(ev.Happened("store-failed", text))

    async def _save_keys(self, keys: KeySet) -> None:
        path = Path(self.node.config.totem.keyfile)
        event: ev.Event = ev.KeysSaved(keys)
        try:
            await self._loop.run_in_executor(self._threads, save_keys, path, keys)
        except OSError as error:
            event = ev.KeysNotSaved(f"{path}: {error.strerror}")
        self._machine.post(event)

    def _save(self, effect: ev.SaveCib) -> None:
        future = self.beginning.store.save(effect.stamp, effect.cib, effect.cause)

        def saved(done: Future[None]) -> None:
            error = done.exception()
            event: ev.Event
            if error is None:
                event = ev.CibSaved(effect.stamp)
            elif isinstance(error, StoreError):
                event = ev.CibNotSaved(effect.stamp, str(error))
            else:
                # Raised here it would only be printed: this runs in a callback of the store.
                self._loop.call_soon_threadsafe(die, "saving the CIB failed", error)
                return
            self._loop.call_soon_threadsafe(self._machine.post, event)

        future.add_done_callback(saved)

    async def _run(self, token: int, call: Any) -> None:
        try:
            self._note(lambda: self._started.before(call))
            outcome = await self._agents.run(call)
            self._note(lambda: self._started.after(call, outcome))
        except Exception as error:
            LOG.exception("running %s of %s failed", call.action, call.agent)
            outcome = Outcome(Rc.ERROR, OpStatus.ERROR, f"internal error: {error}")
        self._machine.post(ev.AgentFinished(token, outcome))

    def _note(self, write: Callable[[], None]) -> None:
        """Keep how something was started; without that it is still started and stopped."""
        try:
            write()
        except OSError as error:
            text = f"how it was started cannot be kept in {self.settings.run}: {error.strerror}"
            self.journal.write(ev.Happened("store-failed", text))

    async def _decide(self, effect: ev.Decide) -> None:
        xml = effect.cib.to_xml()
        answer = self._loop.run_in_executor(self._threads, decided, xml, effect.now)
        transition, error = await answer
        failure = self._failures.untold(transition)
        if failure:
            LOG.critical("the policy engine failed on %s", effect.version, exc_info=error)
            self.journal.write(ev.Happened("engine-failed", failure))
        self._machine.post(ev.Decided(effect.version, transition, effect.number))

    # The gate.

    async def request(self, user: str, body: bytes) -> Reply:
        """Hand in a request for `user`; wait for the answer."""
        return await self._answered(lambda number: ev.Requested(number, user, body))

    async def _answered(self, ask: Callable[[int], ev.Event]) -> Reply:
        """Post what asks for the answer of that number; wait for it."""
        if len(self._requests) >= REQUESTS_MAX:
            return refusal("busy", f"{REQUESTS_MAX} requests are waiting. Try again in a moment.")
        self._request += 1
        number = self._request
        waiting: asyncio.Future[Reply] = self._loop.create_future()
        self._requests[number] = waiting
        self._machine.post(ask(number))
        try:
            return await waiting
        finally:
            self._requests.pop(number, None)

    async def reload(self, user: str) -> Reply:
        """Have all members read corosync.conf again and go on with what it says, or none of them."""
        refused = not_ours(self.node)
        if refused is not None:
            return refused
        return await self._answered(lambda number: ev.ReloadAsked(number, user))

    async def _read_file(self, round_: Round) -> None:
        path, running, key = self.settings.config, self.node.config, key_of(self.node)
        config, findings = await self._loop.run_in_executor(None, read_again, path, running, key)
        self._machine.post(ev.FileRead(round_, config, findings, str(path)))

    async def rotate_keys(self, user: str, without: Sequence[str]) -> Reply:
        """Offer a new shared key to the ring, or go on with the rotation that is under way."""
        refused, nodes = judge(self.node, without)
        if refused is not None:
            return refused
        key = new_key(self.node)
        self.journal.write(ev.Happened("keys", f"{user} wants the keys rotated"))
        reply = begun(self.node, key)
        self._machine.post(ev.Rotate(key, nodes))
        return reply

    def reload_soon(self) -> None:
        """Reload, with nobody there to be answered but the log."""
        self._spawn(self._reload_for_the_log())

    async def _reload_for_the_log(self) -> None:
        # Whoever sent the signal is not told to try again, so that is done here.
        for _ in range(RING_WAIT_S * 10):
            if self.node.reloads.may_be_asked or not_ours(self.node) is not None:
                break
            await asyncio.sleep(0.1)
        reply = await self.reload("a signal")
        LOG.log(logging.INFO if reply.ok else logging.ERROR, "reload: %s", reply.body.decode())

    async def past_events(self, after: int, limit: int) -> list[dict[str, Any]]:
        """Return logged events with an id greater than `after`, or the newest if that is 0."""
        store = self.beginning.store
        wanted = store.events(after, limit) if after else store.latest_events(limit)
        found = await asyncio.wrap_future(wanted)
        return [shown_event(self.name, logged) for logged in found]

    def subscribe(self) -> asyncio.Queue[dict[str, Any] | None]:
        """Return a queue of events to come."""
        return self.journal.subscribe()

    def unsubscribe(self, queue: asyncio.Queue[dict[str, Any] | None]) -> None:
        """Give a queue back."""
        self.journal.unsubscribe(queue)

    async def versions(self, limit: int) -> list[dict[str, Any]]:
        """Return the newest stored versions of the CIB."""
        kept = await asyncio.wrap_future(self.beginning.store.history(limit))
        return [
            {
                "n": entry.n,
                "version": str(entry.stamp.version),
                "ring": entry.stamp.quorate_ring,
                "who": entry.cause.who,
                "why": entry.cause.why,
                "node": entry.cause.node,
                "at": datetime.fromtimestamp(entry.cause.at, tz=UTC).strftime("%Y-%m-%d %H:%M:%S"),
                "digest": entry.digest,
            }
            for entry in kept
        ]

    def statistics(self) -> dict[str, Any]:
        """Return the node's counters."""
        totem = self.node.stack.statistics
        return {
            **told_of_ring(self.node, clock.now()),
            "node": self.name,
            "cluster": "corosync" if self.beginning.on_corosync else "embedded",
            "state": self.node.stack.state.name,
            "tokens": totem.tokens,
            "token_losses": totem.token_losses,
            "memberships": totem.memberships,
            "messages_sent": totem.messages_sent,
            "messages_delivered": totem.messages_delivered,
            "retransmits": totem.retransmits,
            "dropped": totem.dropped,
            **self._wire.counters(),
            "events_lost": self.journal.lost,
        }
