from __future__ import annotations

import msgspec
import pytest

from ninefold.cib import codec
from ninefold.cib.model import MoveResource, ReplaceConfiguration, Version


def test_a_change_comes_back_the_same() -> None:
    change = ReplaceConfiguration("<configuration/>", Version(1, 2, 3))

    assert codec.decode(codec.encode(change)) == change


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x80",
        codec.encode(MoveResource("p"))[:-1],
        codec.encode(MoveResource("p")) + b"x",
        msgspec.msgpack.encode({"type": "Unheard"}),
        msgspec.msgpack.encode({"type": "MoveResource", "resource": 3}),
        msgspec.msgpack.encode({"type": "MoveResource"}),
        b"\x82\xa4type\xacMoveResource\xa8resource\xa1\xff",
        bytes(codec.CHANGE_BYTES_MAX + 1),
    ],
)
def test_bytes_that_are_no_change_are_malformed(data: bytes) -> None:
    with pytest.raises(codec.MalformedChange):
        codec.decode(data)
