"""Forms of values that once slipped through the loader."""

from __future__ import annotations

from ninefold.design.load import load_text

GOOD = "parts: {a: {kind: node}}\nservices: {s: {needs: [a]}}\n"


def codes(text: str) -> list[str]:
    return [finding.code for finding in load_text(text)[1]]


def test_node_whose_name_is_a_number_keeps_what_is_said_of_it() -> None:
    model, findings = load_text("parts: {1: {kind: disk}}\nservices: {s: {needs: [1]}}\n")

    assert model is not None, findings
    assert model.parts["1"].kind == "disk"


def test_answers_may_be_keyed_and_written_as_yaml_has_them() -> None:
    model, findings = load_text(GOOD + "checklist: {1: yes, '2': true, 3: false, 4: }\n")

    assert model is not None, findings
    assert model.answers == {1: "yes", 2: "yes", 3: "no", 4: ""}


def test_answer_to_no_item_is_a_finding_and_no_defect() -> None:
    for key in ("0", "67", "1.5", "x", "~", "true"):
        assert codes(f"{GOOD}checklist: {{{key}: yes}}\n") == ["checklist"], key
    assert codes(GOOD + "checklist: {1: [a]}\n") == ["type"]


def test_quantity_of_nothing_is_not_taken_as_unsaid() -> None:
    assert codes(GOOD.replace("kind: node", "kind: node, mtbf: ''")) == ["empty"]


def test_truth_is_no_name() -> None:
    assert "names" in codes(GOOD + "groups: {g: {nodes: [true]}}\n")
