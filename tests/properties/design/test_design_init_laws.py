"""Whatever the answers are, the first file is sound, has what was answered, and pleases the schema."""

from __future__ import annotations

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from ninefold.design import schema
from ninefold.design.init import FENCINGS, STORAGES, Promise, Sketch, text_of
from ninefold.design.load import load_text

# Names that collide with what the file adds by itself, and such as YAML takes for something else.
NAMES = st.sampled_from(
    [
        "a",
        "node1",
        "feed-a",
        "switch-a",
        "drbd",
        "no",
        "null",
        "1",
        "2e3",
        "cluster",
        "bmc-a",
        "web",
    ]
)
SKETCHES = st.builds(
    Sketch,
    name=st.text(max_size=12).filter(lambda text: text.isprintable() and text.strip() != ""),
    nodes=st.lists(NAMES, min_size=1, max_size=4, unique=True).map(tuple),
    services=st.lists(
        st.builds(Promise, name=NAMES, slo=st.sampled_from(["", "99.9 %"])),
        min_size=1,
        max_size=3,
        unique_by=lambda one: one.name,
    ).map(tuple),
    feeds=st.integers(1, 3),
    supplies=st.integers(1, 3),
    switches=st.integers(1, 3),
    internet=st.integers(0, 3),
    dns=st.integers(0, 3),
    storage=st.sampled_from(STORAGES),
    fencing=st.sampled_from(FENCINGS),
    witness=st.booleans(),
)


@given(SKETCHES)
@settings(max_examples=80, deadline=None)
def test_first_file_is_sound_and_says_what_was_answered(sketch: Sketch) -> None:
    text = text_of(sketch)

    model, findings = load_text(text)

    # A feed that nothing is plugged into is said, and no more.
    assert all(f.code == "unreached" and f.subject.startswith("feed-") for f in findings), text
    assert model is not None
    assert model.name == sketch.name
    assert set(sketch.nodes) <= set(model.parts)
    assert len(model.services) == len(sketch.services)
    promised = [service.slo is not None for service in model.services.values()]
    assert promised == [bool(service.slo) for service in sketch.services]
    kinds = [part.kind for part in model.parts.values()]
    assert kinds.count("power-feed") == sketch.feeds
    assert kinds.count("internet-line") == sketch.internet
    if sketch.clustered:
        (group,) = model.groups.values()
        assert group.nodes == sketch.nodes
        assert group.fencing_enabled == (sketch.fencing == "bmc")
        assert bool(group.witness) == sketch.witness


@given(SKETCHES)
@settings(max_examples=30, deadline=None)
def test_first_file_pleases_the_schema(sketch: Sketch) -> None:
    data = YAML(typ="safe").load(text_of(sketch))

    assert list(jsonschema.Draft7Validator(schema.schema()).iter_errors(data)) == []
