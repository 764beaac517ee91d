"""One run of each experiment: something is done to a cluster, and what came of it is a `Sample`.

Client times come from `ninefold.drill`: a new connection every 5 ms from the bridge, given up after
200 ms; an answer counts when it is complete. Every experiment begins by waiting for rest.
"""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import msgspec

from benchmarks.failover.load import Noise, cost, with_children_s
from ninefold.cli.stage import NotSettled
from ninefold.drill.outage import answered_by_two, answers, outage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.failover.clusters import Cluster
    from ninefold.drill.outage import Outage
    from ninefold.drill.probe import Poller

BEFORE_S: Final = 1.0
AFTER_S: Final = 0.7
BACK_LIMIT_S: Final = 60.0
LOOK_S: Final = 0.02
# A membership that is going to change because of a pause has done so by then: default timers take
# 3.65 + 4.38 s from the beginning of a pause that is longer than 5 s, fencing 1.5 s more.
AFTER_PAUSE_S: Final = 8.0
MONITOR_S: Final = 1.0
START_LOOK_S: Final = 0.1


class Sample(msgspec.Struct, frozen=True):
    """One figure of one run. `noise` is the share of all cores that others used during it.

    `failure` says why there is no figure; `detail` holds what explains it.
    """

    quantity: str
    timers: str
    stack: str
    value: float
    noise: float
    detail: dict[str, float | str] = {}
    failure: str = ""


def crash(cluster: Cluster, noise: Noise) -> Sample:
    """Power the active host off; seconds from the kill to the first good answer from another."""
    victim, dc = cluster.active(), cluster.dc()
    others = [name for name in cluster.stage.names() if name != victim]
    with cluster.stage.poll() as poller:
        time.sleep(BEFORE_S)
        at_s = cluster.lab.crash(victim).asked_s
        _until(lambda: _answers_since(poller, at_s, but=victim), "an answer from another host")
        share = noise.share()
        found = _outage(poller, at_s)
    times = {"answer": found.first_good_s}
    for name in others:
        for step, when_s in cluster.marks(name, at_s).items():
            times[step] = min(when_s, times.get(step, when_s))
    for done_s, target in cluster.fencings(at_s):
        if target == victim:
            times.setdefault("fenced", done_s)
    detail: dict[str, float | str] = {
        step: round(times[step] - at_s, 3) for step in sorted(times, key=lambda step: times[step])
    }
    detail |= {"fencings": len(cluster.fencings(at_s)), "died": "DC" if dc == victim else "not DC"}
    return _sample("crash", cluster, found.from_event_s, share, detail)


def web(cluster: Cluster, noise: Noise) -> Sample:
    """Kill the web server at a random phase of its monitor; the client's gap."""
    node = cluster.active()
    with cluster.stage.poll() as poller:
        time.sleep(BEFORE_S + random.random() * MONITOR_S)
        at_s = cluster.kill_web()
        _until(lambda: _gap_over(poller, at_s), "the web server again")
        share = noise.share()
        found = _outage(poller, at_s)
    steps = cluster.marks(node, at_s) | {"answer": found.first_good_s}
    detail: dict[str, float | str] = {
        step: round(when_s - at_s, 3) for step, when_s in steps.items()
    }
    return _sample(
        "web", cluster, found.gap_s, share, detail | {"from": found.was, "to": found.now}
    )


def move(cluster: Cluster, noise: Noise) -> Sample:
    """Move the group by the operator's command; the client's gap. The wish is taken back."""
    source = cluster.active()
    target = next(name for name in cluster.stage.names() if name != source)
    with cluster.stage.poll() as poller:
        time.sleep(BEFORE_S)
        at_s = time.monotonic()
        cluster.move(target)
        command_s = time.monotonic() - at_s
        _until(lambda: _answers_since(poller, at_s, but=source), "an answer from the new host")
        share = noise.share()
        found = _outage(poller, at_s)
    cluster.clear()
    detail: dict[str, float | str] = {
        "command": round(command_s, 3),
        "answer": round(found.from_event_s, 3),
    }
    return _sample("move", cluster, found.gap_s, share, detail)


def start(cluster: Cluster, noise: Noise) -> Sample:
    """Boot all hosts at once, CIB present; seconds from the first daemon's start to all running."""
    names = cluster.stage.names()
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(cluster.lab.crash, names))
        with cluster.stage.poll() as poller:
            at_s = min(event.done_s for event in pool.map(cluster.lab.power_on, names))
            cluster.wait(cluster.all_run, "running again", BACK_LIMIT_S)
            run_s = time.monotonic() - at_s
            _until(lambda: _answers_since(poller, at_s), "the first answer")
            share = noise.share()
            first_s = min(a.end_s for a in answers(poller.stop()) if a.end_s >= at_s) - at_s
    detail: dict[str, float | str] = {
        "first answer": round(first_s, 3),
        "fencings": len(cluster.fencings(at_s)),
    }
    return _sample("start", cluster, max(run_s, first_s), share, detail)


def pause(cluster: Cluster, noise: Noise, *, length_s: float) -> Sample:
    """Stop (SIGSTOP) the ring's daemon on an idle host for a while; was the host left in peace?"""
    node = cluster.idle_node()
    at_s = time.monotonic()
    cluster.lab.freeze(node, cluster.ring_daemon())
    time.sleep(length_s)
    # Fenced during the pause, it is another boot's daemon, which was never stopped.
    cluster.lab.thaw(node, cluster.ring_daemon())
    end_s = time.monotonic() + AFTER_PAUSE_S
    while time.monotonic() < end_s and not cluster.fencings(at_s):
        time.sleep(LOOK_S * 5)
    share = noise.share()
    fenced = cluster.fencings(at_s)
    survived = not fenced and cluster.all_run()
    detail: dict[str, float | str] = {"survived": str(survived)}
    if fenced:
        detail |= {"fenced": round(fenced[0][0] - at_s, 3)}
    return _sample("pause", cluster, length_s, share, detail)


def idle(clusters: Sequence[Cluster], seconds: float) -> list[Sample]:
    """Do nothing; CPU (percent of one core) and memory (MiB) of each host of each cluster."""
    places = [(cluster, name) for cluster in clusters for name in cluster.stage.names()]
    active = {cluster.stack: cluster.active() for cluster in clusters}
    dcs = {cluster.stack: cluster.dc() for cluster in clusters}
    pids = {
        (c.stack, name): (c.daemons(name), list(c.lab.status().host(name).pids))
        for c, name in places
    }
    noise, began_s = Noise(clusters), time.monotonic()
    before = {key: (cost(own), with_children_s(every)) for key, (own, every) in pids.items()}
    time.sleep(seconds)
    samples = []
    for cluster, name in places:
        own, every = pids[cluster.stack, name]
        then, then_all_s = before[cluster.stack, name]
        now, elapsed_s = cost(own), time.monotonic() - began_s
        detail: dict[str, float | str] = {
            "node": name,
            "active": str(name == active[cluster.stack]),
            "dc": str(name == dcs[cluster.stack]),
            "pss_mib": round(now.pss_mib, 1),
        }
        figures = {
            "idle daemons": (now.cpu_s - then.cpu_s) / elapsed_s * 100,
            "rss": now.rss_mib,
        }
        if name == active[cluster.stack]:
            # Only there do monitors run.
            figures["idle all"] = (with_children_s(every) - then_all_s) / elapsed_s * 100
        samples += [
            _sample(quantity, cluster, value, noise.share(), detail)
            for quantity, value in figures.items()
        ]
    return samples


def _sample(
    quantity: str, cluster: Cluster, value: float, noise: float, detail: dict[str, float | str]
) -> Sample:
    return Sample(
        quantity, cluster.timers.name, cluster.stack, round(value, 4), round(noise, 3), detail
    )


def _until(wanted: Callable[[], bool], what: str) -> None:
    end_s = time.monotonic() + BACK_LIMIT_S
    while not wanted():
        if time.monotonic() > end_s:
            raise NotSettled(f"there was never {what} within {BACK_LIMIT_S:.0f} s")
        time.sleep(LOOK_S)


def _answers_since(poller: Poller, at_s: float, but: str = "") -> bool:
    return any(a.ok and a.start_s >= at_s and a.host != but for a in poller.attempts[-200:])


def _gap_over(poller: Poller, at_s: float) -> bool:
    """Has a request failed since then, and another been answered that was sent later?"""
    later = [attempt for attempt in poller.attempts if attempt.start_s >= at_s]
    failed = [attempt.start_s for attempt in later if not attempt.ok]
    return bool(failed) and any(a.ok and a.start_s > failed[0] for a in later)


def _outage(poller: Poller, at_s: float) -> Outage:
    """Watch on for a moment, then return the longest gap after `at_s`."""
    time.sleep(AFTER_S)
    attempts = poller.stop()
    if overlaps := answered_by_two(attempts):
        raise NotSettled(f"two hosts answered at once: {overlaps[0]}")
    found = outage(attempts, at_s)
    assert found is not None
    return found
