"""The commands that resource agents call back with: `crm_attribute`, `crm_master`, `attrd_updater`, `crm_node`.

Agents of the field rate themselves and remember things by node attributes, and ask who is there. They
find these commands before all others, and the node that runs them answers. Options, output and exit
codes are those that agents rely on; what they do not use is refused. `docs/reference/agents.md` lists it.
Those that show the whole cluster, `crm_mon`, `crm_resource` and `cibadmin`, are in `agent_views`.

Exit codes: 0 done; 1 refused; 64 wrong usage; 102 no node could be asked; 105 there is no such thing.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

from ninefold.api.client import Client, DoorClosedError, RefusedError
from ninefold.cib.model import SetNodeAttribute, SetProperty
from ninefold.cli.agent_exits import NO_NODE, NO_SUCH, REFUSED, USAGE, Ended, Parser
from ninefold.cli.agent_views import VIEWS
from ninefold.controller.requests import ChangeCib, SetAttribute

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ninefold.controller.requests import Request

# Where the daemon tells its agents the name of their node.
NODE_VARIABLE: Final = "NINEFOLD_NODE"

_REBOOT: Final = ("reboot", "status")
_FOREVER: Final = ("forever", "nodes")

# Options whose values may begin with a dash.
_VALUED: Final = ("-v", "-U", "-B", "-d", "--update", "--attr-value", "--update-both", "--default")


def _attribute_parser(name: str) -> Parser:
    parser = Parser(prog=name, add_help=True, allow_abbrev=False)
    parser.add_argument("-n", "--name", "--attr-name", default="")
    parser.add_argument("-N", "--node", "-H", default="")
    act = parser.add_mutually_exclusive_group()
    if name == "attrd_updater":
        act.add_argument("-U", "-v", "-B", "--update", "--update-both", dest="value")
        act.add_argument("-Q", "--query", action="store_true")
        parser.add_argument("-A", "--all", action="store_true")
        parser.add_argument("-d", "--delay", default="")
        parser.add_argument("-q", "--quiet", action="store_true")
    else:
        act.add_argument("-v", "--update", "--attr-value", dest="value")
        act.add_argument("-G", "--query", "--get-value", action="store_true")
        parser.add_argument("-l", "--lifetime", default="")
        parser.add_argument("-q", "-Q", "--quiet", action="store_true")
        parser.add_argument("-d", "--default", default=None)
        parser.add_argument("-r", "--resource", "--resource-id", default="")
    act.add_argument("-D", "--delete", "--delete-attr", action="store_true")
    if name == "crm_attribute":
        parser.add_argument("-p", "--promotion", nargs="?", const="", default=None)
        parser.add_argument("-t", "--type", default="")
    parser.add_argument("-s", "-S", "--set-name", "--set", default="")
    return parser


def _glued(words: list[str]) -> list[str]:
    """Return the words with each value joined to its option, as getopt reads them.

    A score may be -INFINITY, which would be taken for an option.
    """
    rest = list(words)
    glued = []
    while rest:
        word = rest.pop(0)
        if word in _VALUED and rest:
            word += ("=" if word.startswith("--") else "") + rest.pop(0)
        glued.append(word)
    return glued


class Tool:
    """One call of one of the commands; `run` returns what is printed."""

    def __init__(self, name: str, words: Sequence[str], client: Client) -> None:
        self.name = name
        self.words = list(words)
        self.client = client

    def run(self) -> str:
        """Do it."""
        if self.name == "crm_node":
            return self._node()
        if self.name in VIEWS:
            return VIEWS[self.name](self.words, self.client)
        if self.name not in ("crm_attribute", "crm_master", "attrd_updater"):
            raise Ended(USAGE, f"there is no command {self.name}")
        options = _attribute_parser(self.name).parse_args(_glued(self.words))
        name, scope = self._what(options)
        if not name:
            raise Ended(USAGE, "no attribute is named; give one by --name")
        node = options.node or os.environ.get(NODE_VARIABLE, "")
        if options.delete or options.value is not None:
            value = None if options.delete else options.value
            self.client.request(_change(scope, node or self._here(), name, value))
            return ""
        if self.name == "attrd_updater":
            return self._everywhere(name, "" if options.all else node or self._here())
        return self._asked(options, name, scope, node)

    def _what(self, options: argparse.Namespace) -> tuple[str, str]:
        """Return the attribute's name, and where it stands: `reboot`, `forever` or `crm_config`."""
        if self.name == "attrd_updater":
            return options.name, "reboot"
        promotion = getattr(options, "promotion", None)
        kind = getattr(options, "type", "")
        name = options.name
        lasting = options.lifetime or kind
        if self.name == "crm_master" or promotion is not None:
            resource = promotion or options.resource or os.environ.get("OCF_RESOURCE_INSTANCE", "")
            if not resource:
                raise Ended(USAGE, "no resource is named: an agent has OCF_RESOURCE_INSTANCE")
            name, lasting = f"master-{resource}", lasting or "reboot"
        if lasting in _REBOOT:
            return name, "reboot"
        if lasting in _FOREVER or (options.node and not lasting):
            return name, "forever"
        if lasting not in ("", "crm_config"):
            raise Ended(USAGE, f"{lasting!r} is not supported; use reboot, forever or crm_config")
        return name, "crm_config"

    def _here(self) -> str:
        return str(self.client.status()["node"])

    def _document(self) -> ET.Element:
        return ET.fromstring(self.client.cib()["xml"])  # noqa: S314 - our own node's word

    def _asked(self, options: argparse.Namespace, name: str, scope: str, node: str) -> str:
        root = self._document()
        if scope == "crm_config":
            value = _pair(root.findall("configuration/crm_config/cluster_property_set"), name)
        else:
            value = _of_node(root, node or self._here(), name, scope)
        value = options.default if value is None else value
        if value is None:
            raise Ended(NO_SUCH, f"there is no attribute {name}")
        if options.quiet:
            return f"{value}\n"
        shown = {"reboot": "status", "forever": "nodes"}.get(scope, scope)
        return f"scope={shown}  name={name} value={value}\n"

    def _everywhere(self, name: str, only: str) -> str:
        """Return what `attrd_updater --query` prints: one line for each node that has it."""
        root = self._document()
        names = [state.get("uname", "") for state in root.iterfind("status/node_state")]
        found = [
            (node, _of_node(root, node, name, "reboot"))
            for node in names
            if node == only or not only
        ]
        lines = [
            f'name="{name}" host="{node}" value="{value}"\n'
            for node, value in found
            if value is not None
        ]
        if not lines:
            raise Ended(NO_SUCH, f"there is no attribute {name}")
        return "".join(lines)

    def _node(self) -> str:
        parser = Parser(prog=self.name, allow_abbrev=False)
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("-n", "--name", action="store_true")
        what.add_argument("-l", "--list", action="store_true")
        what.add_argument("-p", "--partition", action="store_true")
        what.add_argument("-q", "--quorum", action="store_true")
        what.add_argument("-i", "--cluster-id", action="store_true")
        what.add_argument("-N", "--name-for-id", type=int)
        options = parser.parse_args(self.words)
        here = os.environ.get(NODE_VARIABLE, "")
        if options.name and here:
            return f"{here}\n"
        status = self.client.status()
        nodes: list[dict[str, Any]] = status["nodes"]
        if options.name:
            return f"{status['node']}\n"
        if options.list:
            rows = [(n["id"], n["name"], "member" if n["member"] else "lost") for n in nodes]
            return "".join(f"{number} {name} {state}\n" for number, name, state in rows)
        if options.partition:
            return " ".join(node["name"] for node in nodes if node["member"]) + " \n"
        if options.quorum:
            return f"{int(status['quorum']['quorate'])}\n"
        if options.cluster_id:
            return "".join(f"{n['id']}\n" for n in nodes if n["name"] == status["node"])
        named = [node["name"] for node in nodes if node["id"] == options.name_for_id]
        if not named:
            raise Ended(NO_SUCH, f"there is no node {options.name_for_id}")
        return f"{named[0]}\n"


def _change(scope: str, node: str, name: str, value: str | None) -> Request:
    if scope == "crm_config":
        return ChangeCib(SetProperty(name, value), "asked for by an agent")
    if scope == "forever":
        return ChangeCib(SetNodeAttribute(node, name, value), "asked for by an agent")
    return SetAttribute(name, value, node)


def _of_node(root: ET.Element, node: str, name: str, scope: str) -> str | None:
    if scope == "reboot":
        places = [
            pairs
            for state in root.iterfind("status/node_state")
            if state.get("uname") == node
            for pairs in state.iterfind("transient_attributes/instance_attributes")
        ]
    else:
        places = [
            pairs
            for one in root.iterfind("configuration/nodes/node")
            if one.get("uname") == node
            for pairs in one.iterfind("instance_attributes")
        ]
    return _pair(places, name)


def _pair(places: list[ET.Element], name: str) -> str | None:
    for place in places:
        for pair in place.iterfind("nvpair"):
            if pair.get("name") == name:
                return pair.get("value", "")
    return None


def main(words: Sequence[str], client: Client | None = None) -> int:
    """Run the command `words[0]` with the rest of the words; return its exit code."""
    name, *rest = words or ("agent_tools",)
    try:
        sys.stdout.write(Tool(name, rest, client or Client()).run())
    except Ended as ended:
        sys.stderr.write(f"{name}: {ended}\n")
        return ended.code
    except DoorClosedError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return NO_NODE
    except RefusedError as error:
        sys.stderr.write("".join(f"{name}: {problem}\n" for problem in error.problems))
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
