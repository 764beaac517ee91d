"""The shipped schema is the one that the source says, and says what each key is for."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
from ruamel.yaml import YAML

from ninefold.design import load, schema


def test_shipped_file_is_made_from_the_source() -> None:
    assert schema.SHIPPED.read_text() == schema.text(), (
        "write it anew: ninefold design schema > src/ninefold/design/infrastructure.schema.json"
    )


def test_top_level_keys_are_those_of_the_loader() -> None:
    assert tuple(schema.schema()["properties"]) == load.TOP_KEYS


def test_every_key_says_what_it_is_for() -> None:
    for rows, _ in schema.OBJECTS.values():
        for key, _, about in rows:
            assert about.endswith("."), key


def test_examples_please_the_schema() -> None:
    judge = jsonschema.Draft7Validator(schema.schema())
    files = sorted((Path(__file__).parents[3] / "examples").glob("*/*.yaml"))
    assert files

    for file in files:
        data = YAML(typ="safe").load(file)
        # JSON, and so the schema, knows texts as keys only.
        as_json = json.loads(json.dumps(data))
        assert [error.message for error in judge.iter_errors(as_json)] == [], file
