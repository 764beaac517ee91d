"""What agents ask about the whole cluster: `crm_mon`, `crm_resource` and `cibadmin`, as far as they do.

Agents of Galera, Redis, PostgreSQL and RabbitMQ look into the output of `crm_mon` for members and for a
promoted instance, by regular expressions and by XPath: names, order and lines are therefore those of the
field. What is not known here is not printed.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import quoteattr

from lxml import etree

from ninefold.cib.model import ClearMoves, MoveResource
from ninefold.cli.agent_exits import NO_SUCH, REFUSED, USAGE, Ended, Parser
from ninefold.controller.requests import ChangeCib

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lxml.etree import _Element as Element

    from ninefold.api.client import Client

# Why an agent changes something, as the history has it.
WHY: Final = "asked for by an agent"


def crm_mon(words: Sequence[str], client: Client) -> str:
    """Return the state of the cluster, once: `-1`, as XML or in a few lines."""
    parser = Parser(prog="crm_mon", allow_abbrev=False)
    parser.add_argument("-1", "--one-shot", action="store_true", dest="once")
    parser.add_argument("-X", "--as-xml", action="store_true")
    parser.add_argument("--output-as", default="")
    for short, long in (("-r", "--inactive"), ("-n", "--group-by-node"), ("-A", "--show-node-attributes"),
                        ("-f", "--failcounts"), ("-o", "--operations")):  # fmt: skip
        parser.add_argument(short, long, action="store_true")
    options = parser.parse_args(list(words))
    as_xml = options.as_xml or options.output_as == "xml"
    if options.output_as not in ("", "xml", "text"):
        raise Ended(USAGE, f"--output-as={options.output_as} is not supported; use xml or text")
    if not (options.once or as_xml):
        raise Ended(USAGE, "this does not follow a cluster; use -1, or ninefold events --follow")
    status = _status(client)
    rows = _rows(status, _document(client))
    if not as_xml:
        return _as_text(status, rows)
    root = "crm_mon" if options.as_xml else "pacemaker-result"
    return "\n".join(
        [f"<{root}>", *_summary(status), *_nodes(status), *_resources(rows), f"</{root}>", ""]
    )


def _rows(status: dict[str, Any], document: Element) -> list[dict[str, Any]]:
    """Return the rows of the status under the names that agents know, with what has failed."""
    unique = [
        str(clone.get("id"))
        for clone in document.iter("clone")
        if any(
            pair.get("name") == "globally-unique" and pair.get("value") == "true"
            for pair in clone.iterfind("meta_attributes/nvpair")
        )
    ]
    rows = []
    for row in status["resources"]:
        name = row["id"] if row["group"] in unique else row["id"].partition(":")[0]
        failed = any(_failed(document, node, name) for node in row["nodes"])
        rows.append({**row, "id": name, "failed": failed})
    return rows


def _failed(document: Element, node: str, name: str) -> bool:
    """Whether the last that a node did with a resource went wrong, and nothing came of it yet."""
    done = [
        entry
        for state in document.iterfind("status/node_state")
        if state.get("uname") == node
        for history in state.iterfind("lrm/lrm_resources/lrm_resource")
        if history.get("id") == name
        for entry in history
        if entry.get("op-status") != "-1"
    ]
    if not done:
        return False
    last = max(done, key=lambda entry: int(entry.get("call-id") or 0))
    expected = (last.get("transition-key") or ":::").split(":")[2]
    probe = last.get("operation") == "monitor" and last.get("interval") == "0"
    return not probe and (last.get("op-status") != "0" or last.get("rc-code") != expected)


def _summary(status: dict[str, Any]) -> list[str]:
    ids = {node["name"]: node["id"] for node in status["nodes"]}
    quorum = _word(status["quorum"]["quorate"])
    dc = status["dc"]
    present = f'present="{_word(bool(dc))}"'
    named = f' name={quoteattr(dc)} id="{ids.get(dc, 0)}"' if dc else ""
    return [
        "  <summary>",
        f'    <current_dc {present}{named} with_quorum="{quorum}"/>',
        "  </summary>",
    ]


def _nodes(status: dict[str, Any]) -> list[str]:
    running = Counter(name for row in status["resources"] for name in row["nodes"])
    lines = []
    for node in status["nodes"]:
        pairs = {
            "name": node["name"],
            "id": str(node["id"]),
            "online": _word(node["member"] and node["state"] not in ("offline", "pending")),
            "standby": _word(node["standby"]),
            "maintenance": _word(node["maintenance"]),
            "pending": _word(node["state"] == "pending"),
            "unclean": _word(node["unclean"]),
            "is_dc": _word(node["dc"]),
            "resources_running": str(running[node["name"]]),
            "type": "member",
        }
        lines.append(f"    <node {_attributes(pairs)}/>")
    return ["  <nodes>", *lines, "  </nodes>"]


def _resources(rows: list[dict[str, Any]]) -> list[str]:
    lines = []
    for row in rows:
        pairs = {
            "id": row["id"],
            "resource_agent": row["agent"],
            "role": row["role"],
            "active": _word(bool(row["nodes"])),
            "orphaned": _word(not row["agent"]),
            "failed": _word(row["failed"]),
            "nodes_running_on": str(len(row["nodes"])),
        }
        head = f"    <resource {_attributes(pairs)}"
        where = [f'      <node name={quoteattr(node)} cached="true"/>' for node in row["nodes"]]
        lines += [f"{head}>", *where, "    </resource>"] if where else [f"{head}/>"]
    return ["  <resources>", *lines, "  </resources>"]


def _as_text(status: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    online = [node["name"] for node in status["nodes"] if node["member"]]
    offline = [node["name"] for node in status["nodes"] if not node["member"]]
    lines = ["Node List:", f"  * Online: [ {' '.join(online)} ]"]
    if offline:
        lines.append(f"  * OFFLINE: [ {' '.join(offline)} ]")
    lines += ["", "Full List of Resources:"]
    for row in rows:
        failed = " FAILED" if row["failed"] else ""
        lines.append(
            f"  * {row['id']}\t({row['agent']}):\t{failed} {' '.join([row['role'], *row['nodes']])}"
        )
    return "\n".join([*lines, ""])


def _attributes(pairs: dict[str, str]) -> str:
    return " ".join(f"{name}={quoteattr(value)}" for name, value in pairs.items())


def _word(value: object) -> str:
    return "true" if value else "false"


def _document(client: Client) -> Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_blank_text=True)
    return etree.fromstring(client.cib()["xml"].encode(), parser)


def cibadmin(words: Sequence[str], client: Client) -> str:
    """Return the document, or what an XPath finds in it: `-Q`. It is changed by other commands."""
    parser = Parser(prog="cibadmin", allow_abbrev=False)
    parser.add_argument("-Q", "--query", action="store_true")
    parser.add_argument("-A", "--xpath", default="")
    parser.add_argument("-o", "--scope", default="")
    parser.add_argument("-l", "--local", action="store_true")
    options = parser.parse_args(list(words))
    if not options.query:
        raise Ended(USAGE, "only -Q is supported; the configuration is changed by ninefold cib")
    root = _document(client)
    found: list[Element] = [root]
    if options.scope:
        found = root.findall(f".//{options.scope}")
    if options.xpath:
        try:
            answer = root.xpath(options.xpath)
        except etree.XPathError as error:
            raise Ended(USAGE, f"{options.xpath!r} is no XPath: {error}") from error
        found = [one for one in answer if etree.iselement(one)] if isinstance(answer, list) else []
    if not found:
        raise Ended(NO_SUCH, "nothing in the document is like that")
    texts = [
        etree.tostring(one, encoding="unicode", pretty_print=True, with_tail=False) for one in found
    ]
    if len(texts) == 1:
        return str(texts[0])
    return "<xpath-query>\n" + "".join(f"  {text.strip()}\n" for text in texts) + "</xpath-query>\n"


def crm_resource(words: Sequence[str], client: Client) -> str:
    """Keep a resource away from a node, let it back, say where it is, or what it weighs."""
    parser = Parser(prog="crm_resource", allow_abbrev=False)
    parser.add_argument("-r", "--resource", default=os.environ.get("OCF_RESOURCE_INSTANCE", ""))
    parser.add_argument("-N", "--node", "-H", "--host", default="")
    parser.add_argument("-Q", "--quiet", action="store_true")
    parser.add_argument("-z", "--utilization", action="store_true")
    act = parser.add_mutually_exclusive_group(required=True)
    act.add_argument("-B", "--ban", action="store_true")
    act.add_argument("-U", "--clear", action="store_true")
    act.add_argument("-W", "--locate", action="store_true")
    act.add_argument("-g", "--get-parameter", default="")
    options = parser.parse_args(list(words))
    name = options.resource
    if not name:
        raise Ended(USAGE, "no resource is named; give one by --resource")
    if options.clear:
        client.request(ChangeCib(ClearMoves(_top(client, name)), WHY))
        return ""
    if options.get_parameter:
        return _parameter(client, name, options.get_parameter, weighs=options.utilization)
    status = _status(client)
    where = [n for row in status["resources"] if _named(row, name) for n in row["nodes"]]
    if options.locate:
        if not where:
            raise Ended(NO_SUCH, f"{name} runs nowhere")
        said = "{node}\n" if options.quiet else "resource {name} is running on: {node} \n"
        return "".join(said.format(name=name, node=node) for node in where)
    node = options.node or (where[0] if len(where) == 1 else "")
    if not node:
        raise Ended(USAGE, f"{name} runs on {len(where)} nodes; name one by --node")
    client.request(ChangeCib(MoveResource(_top(client, name), ban=node), WHY))
    return ""


def _status(client: Client) -> dict[str, Any]:
    """Return the cluster's state, or end: "runs nowhere" must not be said because nobody could decide."""
    status = client.status()
    if not status.get("decided", True):
        raise Ended(REFUSED, "the policy engine has failed: what runs where is not known")
    return status


def _named(row: dict[str, Any], name: str) -> bool:
    return name in (row["id"], row["id"].partition(":")[0], row["group"])


def _top(client: Client, name: str) -> str:
    """Return what a constraint about a resource has to name: the clone that it is in."""
    name = name.partition(":")[0]
    for clone in _document(client).iter("clone", "master"):
        if any(one.get("id") == name for one in clone.iter("primitive", "group")):
            return str(clone.get("id"))
    return name


def _parameter(client: Client, name: str, wanted: str, *, weighs: bool) -> str:
    place = "utilization" if weighs else "instance_attributes"
    for resource in _document(client).iterfind("configuration/resources//primitive"):
        if resource.get("id") != name.partition(":")[0]:
            continue
        for pair in resource.iterfind(f"{place}/nvpair"):
            if pair.get("name") == wanted:
                return f"{pair.get('value', '')}\n"
    raise Ended(NO_SUCH, f"{name} has no {wanted}")


VIEWS: Final[dict[str, Callable[[Sequence[str], Client], str]]] = {
    "crm_mon": crm_mon,
    "cibadmin": cibadmin,
    "crm_resource": crm_resource,
}
