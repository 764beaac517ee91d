"""The shipped schema is the one that the source says, and says what each key is for."""

from __future__ import annotations

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
