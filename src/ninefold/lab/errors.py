"""What can go wrong with a lab, as types.

LabError                      the caller shows the sentence
+-- NamespacesNotPermitted    the kernel or its keeper refuses namespaces, veths or bridges
+-- BadPlan                   a setting cannot be: names, numbers, a file that does not parse
+-- NotRunning                no lab of that name
+-- AlreadyRunning            a lab of that name is there
+-- UnknownNode               no host of that name in this lab
+-- WrongPower                the host is off (or on) and the verb needs the other
+-- LabBroken                 the supervisor did not do it, or did not answer in time
"""

from __future__ import annotations

from typing import Final


class LabError(Exception):
    """Anything a lab refuses or cannot do; `str()` is a sentence for the operator."""


class NamespacesNotPermitted(LabError):
    """This machine permits no namespaces (or no virtual links) to this user."""


class BadPlan(LabError):
    """What was asked for cannot be built."""


class NotRunning(LabError):
    """There is no such lab."""


class AlreadyRunning(LabError):
    """There is such a lab already."""


class UnknownNode(LabError):
    """The lab has no host of that name."""


class WrongPower(LabError):
    """The host's power is not what the verb needs."""


class LabBroken(LabError):
    """The supervisor failed or did not answer."""


# How an error crosses the control socket: by its class's name, and back.
BY_NAME: Final[dict[str, type[LabError]]] = {
    kind.__name__: kind
    for kind in (
        LabError,
        NamespacesNotPermitted,
        BadPlan,
        NotRunning,
        AlreadyRunning,
        UnknownNode,
        WrongPower,
        LabBroken,
    )
}
