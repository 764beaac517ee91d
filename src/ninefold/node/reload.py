"""Have all members of a ring take their changed files at one point of their order, or none of them.

One node asks. Each member reads its own file and says, in the ring's order, that it would go by it or why
not. When the last word is delivered all know the outcome: all go by their new files from there on if all
have promised and the files say the same, else nobody does.

Theorem: no member goes by a new file unless every member of that ring has promised to. So a refusal, a
silence or a broken ring leaves the old file in force; only a member that has promised and is cut off before
the last word does not know. It keeps both files in mind: its votes count by both (`quorum.ballots`), and it
hears the nodes of both. It learns the outcome when it meets a member that knows; or the members that are all
in the same doubt, and have quorum by both files, take the new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from ninefold.config.model import ClusterConfig
from ninefold.config.reload import digest
from ninefold.core.findings import Finding
from ninefold.core.ids import NodeId, RingId
from ninefold.core.instants import NEVER, Instant
from ninefold.node.reload_judge import judged, of_all
from ninefold.node.reload_messages import (
    FINDINGS_MAX,
    VOID_MAX,
    Ask,
    BadReloadError,
    GivenUp,
    Promise,
    Round,
    Said,
    Standing,
    decode,
    encode,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ninefold.quorum.events import Verdict

# A file is read in milliseconds; the names in it may have to be looked up, which a resolver gives up after ten
# seconds.
PATIENCE_MS: Final = 20_000

NOTHING: Final = "Nothing was changed, on any node."
_BROKEN: Final = (
    "The ring broke meanwhile, and it is not known whether all members have promised. Look who is here, and"
    " reload again."
)
_WOULD: Final = "corosync.conf can be taken here; it is if all members say so"


class ReadFile(msgspec.Struct, frozen=True):
    """Read the node's own `corosync.conf`, then step with `FileRead`."""

    round: Round


class Say(msgspec.Struct, frozen=True):
    """Multicast `data` to all members in total order."""

    data: bytes


class Promises(msgspec.Struct, frozen=True):
    """From now on keep in mind that the node may come to go by each of these."""

    configs: tuple[ClusterConfig, ...]


class Take(msgspec.Struct, frozen=True):
    """Go by `config` from now on."""

    config: ClusterConfig


class Answered(msgspec.Struct, frozen=True):
    """Tell the operator: `findings` are those of all members, `problems` why nothing was changed."""

    request: int
    file: str
    findings: tuple[Finding, ...]
    problems: tuple[str, ...]


class Told(msgspec.Struct, frozen=True):
    """Something for the log; `what` is one word: reload, reload-promised."""

    text: str
    what: str = "reload"


ReloadEffect: TypeAlias = ReadFile | Say | Promises | Take | Answered | Told


class _Open(msgspec.Struct):
    """The round that is under way on this ring, and what was said in it."""

    round: Round
    who: str
    words: dict[NodeId, Said]
    promised: bool = False
    refused: bool = False


class Reloads:
    """One node's part in reloads. `standing` is its annex at the barrier."""

    def __init__(self, config: ClusterConfig) -> None:
        self.config = config
        self._digest = digest(config)
        self._agreed = False
        self._promised: dict[Promise, ClusterConfig] = {}
        self._void: tuple[Round, ...] = ()
        self._ring = RingId(0, 0)
        self._members: tuple[NodeId, ...] = ()
        # Only between a barrier and the end of its ring do all members hear the same in the same order.
        self._settled = False
        self._open: _Open | None = None
        self._number = 0
        # Ours, that somebody waits for an answer to.
        self._asked: tuple[Round, int] | None = None
        self._file = "corosync.conf"
        self._names = {entry.nodeid: entry.name for entry in config.nodes}
        self.deadline: Instant = NEVER

    @property
    def in_doubt(self) -> bool:
        """Whether this node has promised to go by a file and does not know whether it came to that."""
        return bool(self._promised)

    @property
    def may_be_asked(self) -> bool:
        """Whether a ring stands, and no reload is under way that this node has begun."""
        return self._settled and self._asked is None

    @property
    def standing(self) -> Standing:
        """What this node hands in at the barrier."""
        return Standing(
            self._digest, self._agreed, tuple(sorted(self._promised)), self._void, self._ring
        )

    def asked(self, now: Instant, request: int, who: str) -> list[ReloadEffect]:
        """Begin a round for an operator."""
        if not self.may_be_asked:
            why = "A reload is under way here" if self._settled else "The ring is forming anew"
            return [Answered(request, self._file, (), (f"{why}: try again in a moment.",))]
        self._number += 1
        mine = Round(self._ring, self.config.local, self._number)
        self._asked = (mine, request)
        self.deadline = now + PATIENCE_MS
        return [Say(encode(Ask(mine, who)))]

    def woken(self, now: Instant) -> list[ReloadEffect]:
        """Wait no longer for a member that does not say anything."""
        if now < self.deadline:
            return []
        self.deadline = NEVER
        return [] if self._asked is None else [Say(encode(GivenUp(self._asked[0])))]

    def read(
        self,
        round_: Round,
        config: ClusterConfig | None,
        findings: tuple[Finding, ...],
        *,
        file: str,
        verdict: Verdict,
    ) -> list[ReloadEffect]:
        """Say what this node's own file is like; promise before it is said."""
        self._file = file
        open_ = self._open
        if not self._settled or open_ is None or open_.round != round_:
            return []
        taken, found = judged(
            self.config,
            config,
            findings,
            file=file,
            members=self._members,
            verdict=verdict,
            doubts=len(self._promised),
        )
        mark = b"" if config is None else digest(config)
        # After a refusal nothing comes of the round: the findings are still wanted, a promise is not.
        open_.promised = taken is not None and not open_.refused
        effects: list[ReloadEffect] = []
        if taken is not None and open_.promised and mark != self._digest:
            self._promised[Promise(round_, mark)] = taken
            effects += [self._promises(), Told(_WOULD, "reload-promised")]
        said = Said(round_, mark, open_.promised, tuple(found[:FINDINGS_MAX]))
        return [*effects, Say(encode(said))]

    def delivered(self, sender: NodeId, data: bytes) -> list[ReloadEffect]:
        """Take what a member has said, at its place in the order."""
        try:
            message = decode(data)
        except BadReloadError:
            return []
        if not self._settled or message.round.ring != self._ring or sender not in self._members:
            return []
        open_ = self._open
        if isinstance(message, Ask):
            return self._on_ask(message)
        if open_ is None or open_.round != message.round:
            return []
        if isinstance(message, GivenUp):
            if sender != open_.round.node:
                return []
            silent = [node for node in self._members if node not in open_.words]
            return self._nothing(
                [f"{self._named(node)} has not said anything of its file." for node in silent]
            )
        open_.words[sender] = message
        effects: list[ReloadEffect] = []
        if not message.promise and not open_.refused:
            open_.refused = True
            effects += self._withdraw(open_.round)
        return [*effects, *self._conclude(open_)]

    def ring_lost(self) -> None:
        """Decide nothing more on this ring: of what comes now something may be missing before it.

        A promise that was lost there may have been heard by others, who took the file by it. So a round that
        is given up behind such a gap is not void, and one that ends well behind it may have been given up.
        """
        self._settled = False

    def activated(
        self,
        ring: RingId,
        members: tuple[NodeId, ...],
        standings: Mapping[NodeId, Standing],
        *,
        quorate: bool,
    ) -> list[ReloadEffect]:
        """Begin on a new ring: what was under way is over, and what it came to may be learnt here."""
        effects: list[ReloadEffect] = []
        open_, self._open = self._open, None
        if open_ is not None and not open_.promised:
            self._remember_void(open_.round)
        problems: tuple[str, ...] = (_BROKEN,)
        self._ring, self._members, self._settled = ring, members, True
        for promise, config in list(self._promised.items()):
            if promise not in self._promised:
                continue  # given up together with one that was taken
            if _was_taken(promise, standings) or (
                quorate and _all_would(promise, standings) and _none_goes(config, members)
            ):
                effects += self._take(config, promise.digest)
                effects.append(Told("the file that was promised is taken"))
                if self._asked is not None and self._asked[0] == promise.round:
                    problems = ()
            elif _cannot_be(promise, standings):
                effects += self._withdraw(promise.round)
                effects.append(Told("the file that was promised was not taken by anybody"))
        self._agreed |= any(
            other.agreed and other.digest == self._digest for other in standings.values()
        )
        return [*effects, *self._answer(problems, open_.words if open_ else None)]

    def _on_ask(self, ask: Ask) -> list[ReloadEffect]:
        if self._open is None:
            self._open = _Open(ask.round, ask.who, {})
            return [ReadFile(ask.round)]
        if self._asked is not None and self._asked[0] == ask.round:
            return self._answer((f"{self._open.who} reloads at this moment: try again.",))
        return []

    def _conclude(self, open_: _Open) -> list[ReloadEffect]:
        words = open_.words
        if len(words) < len(self._members):
            return []
        if open_.refused:
            return self._nothing([])
        different = {word.digest for word in words.values()}
        if len(different) > 1:
            return self._nothing(self._differ(words))
        effects: list[ReloadEffect] = []
        for promise, config in self._promised.items():
            if promise.round == open_.round:
                effects = self._take(config, promise.digest)
                break
        self._agreed, self._open = True, None
        told = Told(f"corosync.conf was taken by all members, as {open_.who} wanted")
        return [*effects, told, *self._answer((), words)]

    def _differ(self, words: Mapping[NodeId, Said]) -> list[str]:
        """Say which files are not the same; those of the asker's kind are right."""
        right = words[self._open.round.node if self._open else self._members[0]].digest
        return [
            f"The file of {self._named(node)} does not say the same of the cluster as that of"
            " the node that was asked: copy one file to all nodes."
            for node, word in sorted(words.items())
            if word.digest != right
        ]

    def _nothing(self, problems: list[str]) -> list[ReloadEffect]:
        """End the round: the old file stays in force everywhere."""
        open_ = self._open
        assert open_ is not None
        effects = self._withdraw(open_.round)
        self._open = None
        told = Told(f"corosync.conf was not taken, nothing was changed ({open_.who} wanted it)")
        return [*effects, told, *self._answer((*problems, NOTHING), open_.words)]

    def _take(self, config: ClusterConfig, mark: bytes) -> list[ReloadEffect]:
        self._promised.clear()
        self.config, self._digest, self._agreed = config, mark, True
        self._names |= {entry.nodeid: entry.name for entry in config.nodes}
        return [self._promises(), Take(config)]

    def _withdraw(self, round_: Round) -> list[ReloadEffect]:
        """Give up what was promised in a round that comes to nothing."""
        self._remember_void(round_)
        given_up = [promise for promise in self._promised if promise.round == round_]
        for promise in given_up:
            del self._promised[promise]
        return [self._promises()] if given_up else []

    def _remember_void(self, round_: Round) -> None:
        if round_ not in self._void:
            self._void = (*self._void, round_)[-VOID_MAX:]

    def _promises(self) -> Promises:
        return Promises(tuple(self._promised.values()))

    def _answer(
        self, problems: tuple[str, ...], words: Mapping[NodeId, Said] | None = None
    ) -> list[ReloadEffect]:
        """Answer whoever waits for the end of this node's round."""
        if self._asked is None:
            return []
        _, request = self._asked
        self._asked, self.deadline = None, NEVER
        found = of_all({self._named(node): word.findings for node, word in (words or {}).items()})
        return [Answered(request, self._file, tuple(found), problems)]

    def _named(self, node: NodeId) -> str:
        return self._names.get(node, f"node {node}")


def _was_taken(promise: Promise, standings: Mapping[NodeId, Standing]) -> bool:
    return any(other.agreed and other.digest == promise.digest for other in standings.values())


def _cannot_be(promise: Promise, standings: Mapping[NodeId, Standing]) -> bool:
    """Whether somebody knows that the round came to nothing: it was there, and has not promised."""
    return any(
        promise.round in other.void
        or (
            other.came_from == promise.round.ring
            and promise not in other.promised
            and other.digest != promise.digest
        )
        for other in standings.values()
    )


def _all_would(promise: Promise, standings: Mapping[NodeId, Standing]) -> bool:
    """Whether all members have promised that file, or go by it since they started."""
    return all(
        other.digest == promise.digest or any(p.digest == promise.digest for p in other.promised)
        for other in standings.values()
    )


def _none_goes(config: ClusterConfig, members: tuple[NodeId, ...]) -> bool:
    listed = {entry.nodeid for entry in config.nodes}
    return all(node in listed for node in members)
