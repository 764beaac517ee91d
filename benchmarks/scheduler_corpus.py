"""How many of the recorded decisions the policy engine takes as recorded: `make corpus`.

For every feature: cases, those with the same actions, with the same order among them too, with the same
scores, with every attribute of the graph as recorded, and with the same text to the byte: of the graph
(but for `crm_feature_set` and `batch-limit`), of the lines of scores, of the summary. Names on the command
line restrict it to those cases and show the differences; `--failing LEVEL` lists the cases that fall short there.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lxml import etree

from ninefold.forecast import summary
from ninefold.forecast.execute import execute
from ninefold.scheduler import observe, observe_and_schedule
from ninefold.scheduler.export import graph_xml, score_lines
from ninefold.scheduler.rules import instant

if TYPE_CHECKING:
    from ninefold.scheduler.model import Transition

CORPUS = Path(os.environ.get("NINEFOLD_CORPUS", Path(__file__).parents[2] / "shared" / "corpus"))
CASES = CORPUS / "scheduler"
# Any present or future time serves where a case names none (measured by its collectors).
SOME_NOW = 1_782_900_000
# No recorded cluster is large; whatever takes longer, also on a machine that others use, does not end.
SECONDS_MAX = 20
LEVELS = ("actions", "order", "scores", "attributes", "graph", "lines", "summary")


def load_comparer() -> Any:
    spec = importlib.util.spec_from_file_location("scheduler_compare", CASES / "compare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _too_long(_signal: int, _frame: object) -> None:
    raise TimeoutError(f"no decision within {SECONDS_MAX} s")


def now_of(case: dict[str, Any], root: etree._Element) -> int:
    arguments = case["args"]
    if "-t" in arguments:
        moment = instant(arguments[arguments.index("-t") + 1])
        assert moment is not None
        return moment
    return int(root.get("execution-date") or SOME_NOW)


def judge(case: dict[str, Any]) -> dict[str, Any]:
    """Run one case; say at which levels it is as recorded, and what is missing or too much."""
    name = case["name"]
    comparer = load_comparer()
    root = etree.parse(CASES / "xml" / f"{name}.xml").getroot()
    ids = {
        node.get("uname") or "": node.get("id") or ""
        for node in root.iterfind("configuration/nodes/node")
    }
    began = time.perf_counter()
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(SECONDS_MAX)
    try:
        there, transition = observe_and_schedule(root, now_of(case, root))
        graph = graph_xml(transition, ids)
        printed = summed_up(case, root, there, transition)
    except Exception:  # noqa: BLE001 - a crash is a finding of its own
        return {"name": name, "crash": traceback.format_exc()}
    finally:
        signal.alarm(0)
    seconds = time.perf_counter() - began
    recorded = (CASES / "exp" / f"{name}.exp").read_text()
    result = comparer.compare_graph(recorded, graph)
    wanted = (CASES / "scores" / f"{name}.scores").read_text()
    scores = comparer.compare_scores(wanted, "\n".join(score_lines(transition)))
    order: list[str] = []
    if result["keys"] and not result["order"]:
        ours, theirs = comparer.parse_graph(graph), comparer.parse_graph(recorded)
        have = comparer.closure(ours["edges"], ours["keys"])
        want = comparer.closure(theirs["edges"], theirs["keys"])
        order = [f"- {a} -> {b}" for a, b in sorted(want - have)]
        order += [f"+ {a} -> {b}" for a, b in sorted(have - want)]
    return {
        "name": name,
        "actions": bool(result["keys"]),
        "order": bool(result["order"]),
        "scores": bool(scores["set"]),
        "attributes": bool(result["semantic"]),
        "graph": bool(result["exact"]),
        "lines": score_lines(transition) == [line for line in wanted.splitlines() if line],
        "summary": printed == (CASES / "summary" / f"{name}.summary").read_text(),
        "missing": [str(key) for key in result["missing"]],
        "extra": [str(key) for key in result["extra"]],
        "order_differences": order,
        "score_missing": scores["missing"],
        "score_extra": scores["extra"],
        "seconds": seconds,
    }


def summed_up(
    case: dict[str, Any], root: etree._Element, there: Transition, transition: Transition
) -> str:
    """Return what `ninefold simulate` prints."""
    arguments = case["args"]
    done = execute(root, transition, now_of(case, root))
    return summary.text(
        summary.before_lines(there),
        summary.decision_lines(transition),
        summary.step_lines(done.steps),
        summary.state_lines(observe(done.document, now_of(case, root))),
        summary.clock(root, arguments[arguments.index("-t") + 1] if "-t" in arguments else None),
    )


def table(results: dict[str, dict[str, Any]]) -> str:
    """Return the table by feature, and the totals."""
    features = json.loads((CASES / "features.json").read_text())
    lines = [f"{'feature':<44}{'cases':>6}{''.join(f'{level:>11}' for level in LEVELS)}"]
    for feature, names in sorted(features.items()):
        known = [results[name] for name in names if name in results]
        if known:
            lines.append(_line(feature, known))
    lines.append(_line("all", list(results.values())))
    crashed = sum("crash" in result for result in results.values())
    lines.append(f"crashed: {crashed}")
    return "\n".join(lines)


def _line(feature: str, known: list[dict[str, Any]]) -> str:
    counts = [sum(bool(result.get(level)) for result in known) for level in LEVELS]
    return f"{feature:<44}{len(known):>6}{''.join(f'{count:>11}' for count in counts)}"


def show(result: dict[str, Any]) -> None:
    """Print what is different in one case."""
    print(f"== {result['name']}")
    if "crash" in result:
        print(result["crash"])
        return
    for title, sign in (("missing", "-"), ("extra", "+")):
        for one in result[title]:
            print(f"  {sign} {one}")
    for one in result["order_differences"][:40]:
        print(f"  order {one}")
    if not result["scores"]:
        for title, sign in (("score_missing", "-"), ("score_extra", "+")):
            for one in result[title]:
                print(f"  score {sign} {one}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--failing", choices=[*LEVELS, "crash"])
    parser.add_argument("--slowest", type=int, default=0)
    arguments = parser.parse_args()
    if not (CASES / "manifest.json").exists():
        print(f"The recorded decisions are not at {CASES}; NINEFOLD_CORPUS says where they are.")
        return 2
    cases = json.loads((CASES / "manifest.json").read_text())
    if arguments.names:
        cases = [case for case in cases if case["name"] in arguments.names]
    with multiprocessing.Pool() as pool:
        results = {r["name"]: r for r in pool.imap_unordered(judge, cases, chunksize=8)}
    if arguments.names:
        for name in arguments.names:
            show(results[name])
        return 0
    if arguments.failing == "crash":
        for result in results.values():
            if "crash" in result:
                print(result["name"], result["crash"].strip().splitlines()[-1])
    elif arguments.failing:
        level = arguments.failing
        print("\n".join(sorted(n for n, r in results.items() if not r.get(level))))
    else:
        print(table(results))
    for result in sorted(results.values(), key=lambda r: -r.get("seconds", 0))[: arguments.slowest]:
        print(f"{result['name']:<44}{result.get('seconds', 0):8.3f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
