"""No bytes end the loop that hands them to a decoder: what others wrote is taken, or refused in the one typed way."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, Target, feed

# Of each decoder. `make fuzz` has more patience, and atheris where it installs.
EXAMPLES = 3_000 if os.environ.get("HYPOTHESIS_PROFILE") == "search" else 40


@st.composite
def spoilt(draw: st.DrawFn, target: Target) -> bytes:
    """Bytes near what the decoder takes: a seed with pieces overwritten, cut out, doubled or nested deep."""
    data = bytearray(draw(st.sampled_from(target.seeds)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        until = min(len(data), at + draw(st.integers(0, 6)))
        match draw(st.integers(0, 4)):
            case 0:
                data[at:until] = draw(st.binary(max_size=6))
            case 1:
                del data[at:until]
            case 2:
                data[at:at] = data[at:until] * draw(st.integers(1, 40))
            case 3:
                # A number at its limits, in the ways that msgpack and text write one.
                data[at:until] = draw(
                    st.sampled_from([b"\xcf" + b"\xff" * 8, b"\xd3\x80" + b"\0" * 7, b"9" * 30])
                )
            case _:
                data[at:at] = draw(st.sampled_from([b"\x91", b"[", b"<a>", b"{\n"])) * 5_000
    return bytes(data)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_seeds_are_taken(name: str) -> None:
    for seed in TARGETS[name].seeds[:1]:
        assert seed
        TARGETS[name].run(seed)


@pytest.mark.parametrize(
    ("name", "opening"),
    [
        ("door-request", b'{"type":"cib","z":'),
        ("controller-message", b"\x83\xa4type\xa5saved\xa1z"),
        ("controller-annex", b"\x9a\xa2n1\x92\x04\x93\x00\x01\x02\xa1d\x04\x08\xc3\xc2\x09\x01"),
        ("cib-change", b"\x84\xa4type\xabSetProperty\xa1z"),
        ("ring-message", b"\x98\x02\x04\x01\x03\x02\xc2\xc4\x01a"),
        ("quorum-info", b"\x83\xa4type\xa8proposal\xa1z"),
        ("corosync-message", b"\x92\x05"),
    ],
)
def test_what_is_nested_too_deep_in_a_field_that_nobody_knows_is_refused(
    name: str, opening: bytes
) -> None:
    nest = b"[" if name == "door-request" else b"\x91"

    feed(TARGETS[name], opening + nest * 15_000)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_nothing_but_a_refusal_leaves_a_decoder(name: str) -> None:
    target = TARGETS[name]

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(data=st.binary(max_size=400) | spoilt(target))
    def any_bytes(data: bytes) -> None:
        feed(target, data)

    any_bytes()
