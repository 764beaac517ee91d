"""Another shared key without downtime: offered to all, held by all, only then used, then the old one dropped.

A node sends under one key and takes packets under up to two (`keys.KeySet`). A new key goes through four
states; each is durable at a node before that node says a word of it:

    offered   a member has said it, in total order, to its ring
    next      the node takes packets under it
    active    the node sends under it; the one before is still taken
    alone     the one before is taken no more

Theorem. No node ever sends under a key that a node of the nodelist cannot open, whatever crashes in between,
unless an operator left that node out. For (1) `next` -> `active` happens at a point of the order at which
every member has told that the key is on its disk and every absent node is left out on the disks of all
members; or on hearing a packet under that key, since whoever sent it stood at such a point. (2) A `next` is
given up only for another, and only while no node is absent that is not left out, and none of those present
has said that its disk is at work: then nobody uses it, and nobody has decided to. (3) All decide by the
same table at the same point of the order, each only after its own last word has come back to it.

Convergence. Of several keys that are `next` somewhere the one with the greatest fingerprint is the
ring's; the lowest member that holds it offers it again, at each new ring and every few seconds, until
all have it. So an absent node is held out for, is given the key when it is back, and nobody has to ask
again. Whoever does ask while a rotation is under way asks for that one to go on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta

from ninefold.core.findings import Finding, Severity
from ninefold.core.ids import NodeId
from ninefold.core.instants import NEVER, Instant, Millis
from ninefold.totem.events import Noted, SaveKeys
from ninefold.totem.keys import AUTHKEY_BYTES_MIN, Key, KeySet
from ninefold.totem.outlook import KeyHolding, KeysOutlook

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# The annex under which the members tell each other what they hold.
ANNEX: Final = "keys"
# What was lost, or refused by a disk, is tried again after this long: thousands of token rotations, and
# still a short time for an operator who waits.
AGAIN_MS: Final[Millis] = 5_000
# An authkey has at most 4096 bytes, a ring 384 nodes.
_Material: TypeAlias = Annotated[bytes, Meta(max_length=4096)]
_Nodes: TypeAlias = Annotated[tuple[NodeId, ...], Meta(max_length=384)]
_Name: TypeAlias = Annotated[str, Meta(max_length=16)]


class Offer(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Take packets under this key from now on; `without`, which are absent, need not."""

    material: _Material
    without: _Nodes = ()


class Held(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """What the sender has on its disk: fingerprints, empty where it has none.

    `busy` says that its disk is at work on something else.
    """

    active: _Name
    next: _Name
    previous: _Name
    without: _Nodes = ()
    busy: bool = False

    def takes(self, name: str) -> bool:
        """Whether the sender opens packets under that key for as long as the rotation lasts."""
        return name in (self.active, self.next)


class Say(msgspec.Struct, frozen=True):
    """Tell the ring, in total order, ourselves included."""

    data: bytes


RotationEffect: TypeAlias = SaveKeys | Say | Noted

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final[msgspec.msgpack.Decoder[Offer | Held]] = msgspec.msgpack.Decoder(Offer | Held)
_NOTHING: Final = Held("", "", "")


class Rotation:
    """One node's part in the rotation of keys. `nodes` are those that the configuration lists."""

    def __init__(
        self, me: NodeId, nodes: Sequence[NodeId], keys: KeySet, *, clear: bool = False
    ) -> None:
        self.keys = keys
        self.clear = clear
        self._me = me
        self._nodes = frozenset(nodes)
        # What each member of the ring holds, as all have heard it at this point of the order; and, in
        # the same order, the key that was offered in this ring and who was left out by that.
        self._table: dict[NodeId, Held] = {}
        self._offered: Key | None = None
        self._left_out: frozenset[NodeId] = frozenset()
        # Only between a barrier and the end of its ring do all have the same table.
        self._settled = False
        self._next_used = False
        self._saving: KeySet | None = None
        # Wake me no later than this.
        self.deadline: Instant = NEVER

    # --- what happens ---

    def wake(self, now: Instant) -> list[RotationEffect]:
        """Try again what a disk has refused or the ring has lost."""
        if now < self.deadline:
            return []
        self.deadline = NEVER
        said = [] if self._saving is not None else self._tell()
        return self._proceed(now, [*said, *self._offer_again()])

    def reconfigure(self, now: Instant, nodes: Sequence[NodeId]) -> list[RotationEffect]:
        """Take another nodelist: who is gone from it holds nothing up any more."""
        self._nodes = frozenset(nodes)
        return self._proceed(now)

    def annex(self) -> bytes:
        """Return what this node brings to the barrier of a new ring."""
        return _ENCODER.encode(self._held())

    def unsettle(self) -> None:
        """A ring is over: until the next barrier nobody knows who has heard what."""
        self._settled = False
        self._offered, self._left_out = None, frozenset()

    def on_activated(self, now: Instant, annexes: Mapping[NodeId, bytes]) -> list[RotationEffect]:
        """The members of a new ring have told what they hold."""
        self._table = {node: _held(annex) for node, annex in annexes.items()}
        self._settled = True
        return self._proceed(now, self._offer_again())

    def on_message(self, now: Instant, sender: NodeId, data: bytes) -> list[RotationEffect]:
        """Take what a member has said, at its place in the order."""
        try:
            message = _DECODER.decode(data)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return []
        if not self._settled or sender not in self._table:
            return []
        if isinstance(message, Held):
            self._table[sender] = message
            if self._offered is not None and self._offered.fingerprint == message.active:
                # Whoever sends under it knew that all have it: the offer has done its work.
                self._offered = None
            return self._proceed(now)
        return self._proceed(now, self._on_offer(sender, message))

    def on_next_used(self, now: Instant) -> list[RotationEffect]:
        """A peer sends under our next key: it knew that all who must take part hold it."""
        if self._next_used or self.keys.next is None:
            return []
        self._next_used = True
        return self._proceed(now)

    def rotate(self, key: Key, without: Sequence[NodeId] = ()) -> list[RotationEffect]:
        """An operator wants `key`; or, where a rotation is under way, that it goes on."""
        left_out = frozenset(without) | self._left_out_by_all()
        return [Say(_ENCODER.encode(Offer(key.material, tuple(sorted(left_out)))))]

    def saved(self, now: Instant, keys: KeySet) -> list[RotationEffect]:
        """`keys` are on stable storage."""
        before, self.keys, self._saving = self.keys, keys, None
        if keys.next is None or keys.next != before.next:
            self._next_used = False
        told = Noted("keys", _told(before, keys), (self._me,))
        return self._proceed(now, [told, Say(self.annex())])

    def not_saved(self, now: Instant, reason: str) -> list[RotationEffect]:
        """The disk refused; it is asked again in a while."""
        self._saving = None
        self.deadline = now + AGAIN_MS
        text = (
            f"The keys could not be saved: {reason}. It is tried again every {AGAIN_MS // 1000} s."
        )
        return [Noted("keys-not-saved", text, (self._me,)), *self._tell()]

    # --- what may be asked ---

    def judge(
        self, without: Sequence[NodeId], names: Mapping[NodeId, str] | None = None
    ) -> list[Finding]:
        """Return what stands against rotating now, nodes by their `names`."""
        if self.clear:
            return [
                _error(
                    "totem.crypto_cipher",
                    "Crypto is off; there is no key to rotate.",
                    "Set crypto_cipher to aes256, distribute an authkey, start the nodes anew.",
                )
            ]
        if not self._settled:
            return [_error("ring", "The ring is being formed.", "Try again in a moment.")]
        named, absent = frozenset(without), self._absent()

        def shown(node: NodeId) -> str:
            return (names or {}).get(node, f"node {node}")

        findings = [
            _error(
                shown(node),
                "It is not in the ring and would not get the new key.",
                "Bring it back; or name it by --without, and copy the key file to it by hand.",
            )
            for node in sorted(absent - named - self._left_out_by_all())
        ]
        findings += [
            _error(
                shown(node),
                "It is in the ring, or not in the nodelist: it cannot be left out.",
                "Name by --without only nodes that are absent.",
            )
            for node in sorted(named - absent)
        ]
        return findings

    def outlook(self) -> KeysOutlook:
        """Return the rotation as this node sees it."""
        return KeysOutlook(
            active=self.keys.active.fingerprint,
            next=self.keys.next.fingerprint if self.keys.next else "",
            previous=self.keys.previous.fingerprint if self.keys.previous else "",
            under_way=self._under_way(),
            waits_for=self._waits_for(),
            without=tuple(sorted(self._left_out_by_all() & self._absent())),
            nodes={
                node: KeyHolding(held.active, held.next, held.previous)
                for node, held in sorted(self._table.items())
            },
        )

    # --- the decisions ---

    def _on_offer(self, sender: NodeId, offer: Offer) -> list[RotationEffect]:
        """Take an offer; another one while a rotation is under way only has that one go on."""
        key, absent = Key.of(offer.material), self._absent()
        if self.clear or len(key.material) < AUTHKEY_BYTES_MIN:
            return []
        # Between the asking and this point the ring may have lost a member that the operator did not name.
        missing = absent - frozenset(offer.without)
        if missing and (offer.without or not self._under_way()):
            text = "A rotation of keys was asked for while others were absent; it is not begun."
            return [Noted("keys-refused", text, tuple(sorted(missing)))]
        if not self._under_way() and not KeySet(self.keys.active, key).distinct:
            text = "The offered key has the id of the one in use; draw another."
            return [Noted("keys-refused", text, (sender,))]
        if not missing:
            self._left_out = absent
        if self._target() in ("", key.fingerprint):
            self._offered = key
            return []
        return self._offer_again()

    def _proceed(
        self, now: Instant, effects: Sequence[RotationEffect] = ()
    ) -> list[RotationEffect]:
        """Do what the state of things asks for; called after each change of it."""
        done = list(effects)
        if self._saving is None and not self.clear:
            self._saving = self._wanted()
            if self._saving is not None:
                done.append(SaveKeys(self._saving))
        if not self._settled or not self._under_way():
            self.deadline = NEVER
        elif self.deadline == NEVER:
            self.deadline = now + AGAIN_MS
        return done

    def _wanted(self) -> KeySet | None:
        """Return what should be on our disk by now, if that is something else."""
        active, coming, previous = self.keys.active, self.keys.next, self.keys.previous
        if coming is not None and self._next_used:
            return KeySet(coming, None, active, self.keys.without)
        if not self._settled or self._table.get(self._me) != self._held():
            return None
        # Whoever has been back since is waited for again.
        left_out = self._left_out | frozenset(self.keys.without)
        without = tuple(sorted(left_out & self._absent()))
        if coming is not None and self._may_use(coming.fingerprint):
            return KeySet(coming, None, active, without)
        if previous is not None and self._previous_is_over(active.fingerprint):
            return KeySet(active)
        if previous is None and self._should_take(self._offered):
            return KeySet(active, self._offered, None, without)
        if (coming or previous) and without != self.keys.without:
            return KeySet(active, coming, previous, without)
        return None

    def _should_take(self, offered: Key | None) -> bool:
        """Whether `offered` should be our next key, in place of another one perhaps."""
        if offered is None or offered in self.keys.accepted:
            return False
        if offered.fingerprint != self._target():
            return False
        return self.keys.next is None or self._nobody_is_missed()

    def _may_use(self, name: str) -> bool:
        """Whether every member takes packets under the key and no node is missed; or one uses it."""
        table = self._table.values()
        return any(held.active == name for held in table) or (
            self._nobody_is_missed() and all(held.takes(name) for held in table)
        )

    def _nobody_is_missed(self) -> bool:
        """Whether every absent node is left out, durably for all; and no disk is at work."""
        busy = any(held.busy for held in self._table.values())
        return not busy and self._absent() <= self._left_out_by_all()

    def _previous_is_over(self, name: str) -> bool:
        """Whether all send under our key; or a member that does has found that out already."""
        table = self._table.values()
        return any(held.active == name and not held.previous for held in table) or (
            self._nobody_is_missed() and all(held.active == name for held in table)
        )

    def _offer_again(self) -> list[RotationEffect]:
        """Offer the ring's next key to members without it; the lowest that holds it does."""
        name = self._target()
        holders = [node for node, held in self._table.items() if held.takes(name)]
        key = next((one for one in self.keys.accepted if one.fingerprint == name), None)
        if not self._settled or key is None or min(holders, default=0) != self._me:
            return []
        behind = any(not held.takes(name) for held in self._table.values())
        return [Say(_ENCODER.encode(Offer(key.material)))] if behind else []

    # --- the table ---

    def _absent(self) -> frozenset[NodeId]:
        return self._nodes - self._table.keys()

    def _left_out_by_all(self) -> frozenset[NodeId]:
        """Return whom an operator has left out, durably at every member."""
        told = [frozenset(held.without) for held in self._table.values()]
        return frozenset.intersection(*told) if told else frozenset()

    def _target(self) -> str:
        """Return the key that is being rotated to; empty if there is none."""
        table = self._table.values()
        coming = {held.next for held in table if held.next}
        used = coming & {held.active for held in table}
        finishing = {held.active for held in table if held.previous}
        offered = {self._offered.fingerprint} if self._offered else set()
        return max(used or coming or finishing or offered, default="")

    def _under_way(self) -> bool:
        return bool(self._target()) or any(held.busy for held in self._table.values())

    def _waits_for(self) -> tuple[NodeId, ...]:
        """Return who holds the rotation up: absent, without the key, or not yet sending under it."""
        if not self._under_way():
            return ()
        name = self._target()
        missed = self._absent() - self._left_out_by_all()
        lack = {node for node, held in self._table.items() if not held.takes(name)}
        late = {node for node, held in self._table.items() if held.active != name}
        return tuple(sorted(missed | lack or late))

    def _tell(self) -> list[RotationEffect]:
        """Say what we hold, unless that is what all know."""
        held = self._held()
        known = not self._settled or self._table.get(self._me) == held
        return [] if known else [Say(_ENCODER.encode(held))]

    def _held(self) -> Held:
        keys = self.keys
        return Held(
            keys.active.fingerprint,
            keys.next.fingerprint if keys.next else "",
            keys.previous.fingerprint if keys.previous else "",
            keys.without,
            self._saving is not None,
        )


def _held(annex: bytes) -> Held:
    """Read an annex; a member that brought none, or nonsense, holds nothing we know of."""
    try:
        message = _DECODER.decode(annex)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _NOTHING
    return message if isinstance(message, Held) else _NOTHING


def _told(before: KeySet, keys: KeySet) -> str:
    if keys.active != before.active:
        return (
            f"This node sends under key {keys.active.fingerprint}; {before.active.fingerprint} is"
            " taken until all do."
        )
    if keys.accepted == before.accepted:
        left_out = ", ".join(map(str, keys.without))
        return f"The rotation of keys goes on without {f'node {left_out}' if left_out else 'none'}."
    if keys.next is not None:
        return f"Key {keys.next.fingerprint} is taken here, and used when every node has it."
    return f"Key {keys.active.fingerprint} is the only one from now on."


def _error(subject: str, sentence: str, remedy: str) -> Finding:
    return Finding("keys-refused", Severity.ERROR, subject, sentence, remedy)
