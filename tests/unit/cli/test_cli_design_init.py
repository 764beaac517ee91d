"""`ninefold design init`: a first file from answers, from files, and from a running cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from ninefold.cli.main import app
from ninefold.design.load import load
from ninefold.design.schema import SHIPPED
from ninefold.lab import defaults
from tests.door_world import open_door

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

    from ninefold.design.model import Infrastructure


def init(*words: str | Path, typed: str = "") -> Result:
    told = [str(word) for word in words]
    return CliRunner().invoke(app, ["design", "init", *told], input=typed)


def sound(file: Path) -> Infrastructure:
    model, findings = load(file)
    assert model is not None
    assert findings == []
    return model


@pytest.fixture
def cluster(tmp_path: Path) -> tuple[Path, Path]:
    """Return the corosync.conf and the CIB of a cluster of two."""
    conf, cib = tmp_path / "corosync.conf", tmp_path / "cib.xml"
    hosts = defaults.hosts(2)
    conf.write_text(defaults.corosync_conf(hosts))
    cib.write_text(defaults.cib([name for name, _, _ in hosts]))
    return conf, cib


def test_what_is_usual_makes_a_sound_model(tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"

    result = init(file, "--yes")

    assert result.exit_code == 0, result.output
    model = sound(file)
    assert set(model.groups["cluster"].nodes) == {"node1", "node2"}
    assert model.groups["cluster"].two_node
    assert f"ninefold design report {file}" in result.stdout


def test_first_line_names_the_schema_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"

    init(file, "--yes")

    first = file.read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=infrastructure.schema.json"
    assert (tmp_path / "infrastructure.schema.json").read_text() == SHIPPED.read_text()


def test_what_is_there_is_overwritten_only_by_force(tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text("mine")

    refused = init(file, "--yes")

    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    assert file.read_text() == "mine"
    assert init(file, "--yes", "--force").exit_code == 0
    sound(file)


def test_answers_are_asked_for_until_they_can_be_used(tmp_path: Path) -> None:
    file = tmp_path / "asked.yaml"
    # name, servers, feeds, supplies, switches, internet, dns, storage, fencing, services
    typed = (
        "prod\nn1,n1\nn1, n2,n3\n1\n1\n0\n1\n0\n0\nceph\narray\nbmc\nweb=150\nweb=99.95\nmail\n\n"
    )

    result = init(file, typed=typed)

    assert result.exit_code == 0, result.output
    model = sound(file)
    assert model.name == "prod"
    assert model.groups["cluster"].nodes == ("n1", "n2", "n3")
    assert model.groups["cluster"].quorum == 2
    assert model.services["web"].slo == pytest.approx(0.9995)
    assert set(model.services) == {"web", "mail"}
    assert {part.kind for part in model.parts.values()} == {
        "power-feed", "switch", "psu", "node", "array", "fence-device",
    }  # fmt: skip
    for complaint in ("names a server twice", "At least 1", "none of disk", "more than 100"):
        assert complaint in result.stderr


def test_what_options_say_is_not_asked(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    words = [
        "--name",
        "erp",
        "--nodes",
        "srv",
        "--service",
        "erp=99.9",
        "--feeds",
        "1",
        "--supplies",
        "1",
        "--switches",
        "1",
    ]

    result = init(file, *words, "--internet", "0", "--dns", "0", "--storage", "mirror")

    assert result.exit_code == 0, result.output
    model = sound(file)
    assert model.groups == {}
    assert list(model.parts) == [
        "feed-a",
        "switch-a",
        "srv-psu-a",
        "srv-disk-a",
        "srv-disk-b",
        "srv",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--nodes", "a b"), "no name"),
        (("--nodes", ","), "At least one server"),
        (("--storage", "tape"), "none of disk"),
        (("--service", "web=many"), "not a percentage"),
    ],
)
def test_option_that_cannot_be_used_is_wrong_usage(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    file = tmp_path / "x.yaml"

    result = init(file, "--yes", *words)

    assert result.exit_code == 2
    assert said in result.stderr
    assert not file.exists()


def test_clusters_files_give_nodes_devices_and_services(
    tmp_path: Path, cluster: tuple[Path, Path]
) -> None:
    conf, cib = cluster
    (tmp_path / "models").mkdir()
    file = tmp_path / "models" / "lab.yaml"

    result = init(file, "--yes", "--corosync", conf, "--cib", cib)

    assert result.exit_code == 0, result.output
    model = sound(file)
    (group,) = model.groups.values()
    assert group.nodes == ("node1", "node2")
    assert [service.resource for service in model.services.values()] == ["web"]
    assert 'corosync: "../corosync.conf"' in file.read_text()
    devices = [path.device for path in group.fencing]
    assert devices
    assert all(model.parts[device].kind == "fence-device" for device in devices)


def test_cluster_with_errors_in_its_files_is_written_and_named(
    tmp_path: Path, cluster: tuple[Path, Path]
) -> None:
    conf, cib = cluster
    conf.write_text(conf.read_text().replace("version: 2", "version: 7"))
    file = tmp_path / "lab.yaml"

    result = init(file, "--yes", "--corosync", conf, "--cib", cib, "--nodes", "node1,node2")

    assert result.exit_code == 1
    assert str(conf) in result.stderr
    assert "must be corrected" in result.stderr
    assert file.exists()


def test_running_cluster_is_asked_and_its_files_are_copied(
    tmp_path: Path, cluster: tuple[Path, Path]
) -> None:
    conf, cib = cluster
    file = tmp_path / "live.yaml"
    with open_door(tmp_path) as door:
        door.node.xml = cib.read_text()

        words = ("--from-cluster", "--yes", "--corosync", conf, "--socket", door.path)
        result = init(file, *words)

        assert result.exit_code == 0, result.output
        again = init(file, *words)

    assert again.exit_code == 2
    (group,) = sound(file).groups.values()
    assert group.nodes == ("node1", "node2")
    copy = tmp_path / "live.cib.xml"
    assert copy.read_text() == cib.read_text()
    assert copy.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "live.corosync.conf").read_text() == conf.read_text()


def test_running_cluster_without_a_readable_conf_is_taken_from_its_cib(
    tmp_path: Path, cluster: tuple[Path, Path]
) -> None:
    file = tmp_path / "live.yaml"
    xml = cluster[1].read_text()
    nodes = '<nodes><node id="1" uname="node1"/><node id="2" uname="node2"/></nodes>'
    with open_door(tmp_path) as door:
        door.node.xml = xml.replace("<nodes/>", nodes)

        gone = tmp_path / "gone.conf"
        result = init(file, "--from-cluster", "--yes", "--corosync", gone, "--socket", door.path)

    assert result.exit_code == 0, result.output
    assert "Nodes are taken from the CIB" in result.stderr
    assert sound(file).groups["cluster"].nodes == ("node1", "node2")


def test_no_running_cluster_ends_with_3(tmp_path: Path) -> None:
    result = init(tmp_path / "x.yaml", "--from-cluster", "--yes", "--socket", tmp_path / "none")

    assert result.exit_code == 3


def test_directory_that_cannot_be_written_is_wrong_usage(tmp_path: Path) -> None:
    assert init(tmp_path / "none" / "x.yaml", "--yes").exit_code == 2
