from __future__ import annotations

from ninefold.cib.apply import apply
from ninefold.cib.diff import describe
from ninefold.cib.document import Cib
from ninefold.cib.model import (
    Cause,
    Change,
    MoveResource,
    ReplaceConfiguration,
    SetMetaAttribute,
    SetNodeAttribute,
    SetNodeState,
    SetProperty,
)

CONFIGURATION = """<configuration><crm_config/><nodes><node id="1" uname="a"/></nodes><resources>
<group id="g"><primitive id="p" class="ocf" provider="heartbeat" type="Dummy"><operations>
<op id="m" name="monitor" interval="10s"/></operations></primitive></group>
<group id="h"><primitive id="q" class="systemd" type="x"/></group></resources><constraints/>
</configuration>"""


def after(cib: Cib, change: Change) -> Cib:
    result = apply(cib, change, Cause("alice", "test", 1, 1))
    assert isinstance(result, Cib), result
    return result


START = after(Cib.empty(), ReplaceConfiguration(CONFIGURATION))


def told(change: Change, before: Cib = START) -> list[str]:
    return describe(before, after(before, change))


def replaced(old: str, new: str) -> list[str]:
    assert old in CONFIGURATION
    return told(ReplaceConfiguration(CONFIGURATION.replace(old, new)))


def test_settings_are_told_with_their_owner() -> None:
    before = after(START, SetProperty("x", "1"))

    assert told(SetProperty("x", "1")) == ["Added setting x = 1."]
    assert told(SetProperty("x", "2"), before) == ["Changed setting x from 1 to 2."]
    assert told(SetProperty("x", None), before) == ["Removed setting x."]
    stopped = SetMetaAttribute("p", "target-role", "Stopped")
    assert told(stopped) == ["Added setting target-role of p = Stopped."]
    assert told(SetNodeAttribute("a", "standby", "on")) == ["Added setting standby of a = on."]


def test_a_constraint_is_told_with_what_it_says() -> None:
    assert told(MoveResource("g", node="a")) == [
        "Added location constraint cli-prefer-g (rsc=g role=Started node=a score=INFINITY)."
    ]


def test_a_removed_group_is_one_sentence_without_its_members() -> None:
    group = '<group id="h"><primitive id="q" class="systemd" type="x"/></group>'

    assert replaced(group, "") == ["Removed group h."]


def test_an_added_group_names_its_members() -> None:
    group = '<group id="n"><primitive id="n1" class="systemd" type="x"/></group></resources>'

    assert replaced("</resources>", group) == ["Added group n (with n1)."]


def test_a_changed_attribute_is_told_with_both_values() -> None:
    assert replaced('"10s"', '"5s"') == [
        "Changed interval of operation monitor of p from 10s to 5s."
    ]
    assert replaced(' provider="heartbeat"', ' provider="x"') == [
        "Changed provider of primitive p from heartbeat to x."
    ]


def test_a_primitive_that_changed_its_group_has_moved() -> None:
    primitive = '<primitive id="q" class="systemd" type="x"/>'
    text = CONFIGURATION.replace(f'<group id="h">{primitive}</group>', "")
    text = text.replace('<group id="g">', f'<group id="g">{primitive}')

    assert told(ReplaceConfiguration(text)) == [
        "Removed group h.",
        "Moved primitive q from h to g.",
    ]


def test_status_is_not_told() -> None:
    assert told(SetNodeState(1, "a", in_ccm=True)) == []
