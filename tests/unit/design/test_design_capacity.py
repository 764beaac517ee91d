"""Room after a loss: nodes, shared domains, and things that do not fit though the sum would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.design import capacity
from ninefold.design.capacity import Item, capacity_rows, place
from ninefold.design.model import Group, Infrastructure, Part, Service, Use

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def node(name: str, cpu: float, *inside: str) -> Part:
    return Part(name, "node", "compute", inside=inside, capacity={"cpu": cpu})


def shop(cpus: list[float], *services: float, racks: tuple[str, ...] = ()) -> Infrastructure:
    nodes = [node(f"n{k}", cpu, *(racks[k - 1 : k])) for k, cpu in enumerate(cpus, 1)]
    parts = {n.name: n for n in nodes} | {rack: Part(rack, "rack", "site") for rack in racks}
    group = Group("pair", tuple(n.name for n in nodes))
    running = {
        f"s{k}": Service(f"s{k}", Use("pair"), uses={"cpu": need})
        for k, need in enumerate(services)
    }
    return Infrastructure("m", parts, {"pair": group}, running)


def verdicts(model: Infrastructure) -> dict[str, bool]:
    return {row.lost: row.suffices for row in capacity_rows(model, model.groups["pair"])}


def test_a_pair_that_is_half_empty_survives_each_loss() -> None:
    assert verdicts(shop([8, 8], 4, 4)) == {"nothing": True, "n1": True, "n2": True}


def test_a_pair_that_is_full_does_not() -> None:
    rows = capacity_rows(shop([8, 8], 6, 6), shop([8, 8]).groups["pair"])

    lost = {row.lost: row for row in rows}
    assert lost["nothing"].suffices
    assert not lost["n1"].suffices
    assert (lost["n1"].needed, lost["n1"].left) == (12, 8)
    assert "4 cpu are missing" in lost["n1"].sentence


def test_enough_in_total_but_not_on_any_one_node() -> None:
    model = shop([4, 4, 8], 6)

    rows = {row.lost: row for row in capacity_rows(model, model.groups["pair"])}

    assert not rows["n3"].suffices
    assert "every one was tried" in rows["n3"].sentence
    assert rows["n1"].suffices


def test_a_rack_that_takes_two_nodes_is_a_loss_of_its_own() -> None:
    found = verdicts(shop([8, 8, 8], 4, 4, 4, racks=("r1", "r1", "r2")))

    assert found == {"nothing": True, "n1": True, "n2": True, "n3": True, "r1": False}


def test_where_nothing_is_said_nothing_is_answered() -> None:
    assert verdicts(shop([8, 8])) == {}


def test_utilization_of_the_cib_counts_and_groups_stay_together(tmp_path: Path) -> None:
    cib = tmp_path / "cib.xml"
    cib.write_text("""<cib admin_epoch="0" epoch="1" num_updates="0"><configuration>
      <crm_config/>
      <nodes>
        <node id="1" uname="a"><utilization id="u1"><nvpair id="u1c" name="cpu" value="4"/></utilization></node>
        <node id="2" uname="b"><utilization id="u2"><nvpair id="u2c" name="cpu" value="6"/></utilization></node>
      </nodes>
      <resources>
        <group id="web">
          <primitive id="ip" class="ocf" provider="heartbeat" type="IPaddr2"><utilization id="u3"><nvpair id="u3c" name="cpu" value="1"/></utilization></primitive>
          <primitive id="srv" class="systemd" type="nginx"><utilization id="u4"><nvpair id="u4c" name="cpu" value="3.5"/></utilization></primitive>
        </group>
        <clone id="c"><primitive id="agent" class="systemd" type="agent"><utilization id="u5"><nvpair id="u5c" name="cpu" value="1"/></utilization></primitive></clone>
      </resources><constraints/></configuration><status/></cib>""")
    group = Group("pair", ("a", "b"), cib=str(cib))
    parts = {name: Part(name, "node", "compute") for name in ("a", "b")}

    rows = {r.lost: r for r in capacity_rows(Infrastructure("m", parts, {"pair": group}), group)}

    # web takes 4.5 and a clone's share 1 of each node that is left.
    assert (rows["nothing"].needed, rows["nothing"].left) == (6.5, 10)
    assert rows["a"].suffices
    assert rows["a"].needed == 5.5
    assert not rows["b"].suffices


def test_a_search_that_is_given_up_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "STEPS_MAX", 3)
    items = [Item(f"i{k}", {"cpu": 3.0 + k / 10}) for k in range(6)]

    placed = place(items, {"a": {"cpu": 9.0}, "b": {"cpu": 9.1}, "c": {"cpu": 2.9}})

    assert not placed.found
    assert not placed.proved
