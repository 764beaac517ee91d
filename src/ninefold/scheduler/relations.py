"""What one action has to do with a later one: bits that may be combined.

Plain integers and not an `enum.Flag`: they are tested millions of times while consequences are
worked out. Names follow the field's words for the kinds of orders (section 14).
"""

from __future__ import annotations

from typing import Final

NOTHING: Final = 0
# First comes first, if both are done.
ORDERED: Final = 1 << 0
# If first is required, so is then.
FIRST_IMPLIES_THEN: Final = 1 << 1
# If then is required, so is first.
THEN_IMPLIES_FIRST: Final = 1 << 2
# The same, but only if then's resource is promoted.
PROMOTED_THEN_IMPLIES_FIRST: Final = 1 << 3
# If first cannot run, neither can then.
UNRUNNABLE_FIRST_BLOCKS: Final = 1 << 4
# The same, unless first is the probe of something active inside a guest.
NESTED_REMOTE_PROBE: Final = 1 << 5
# If first is required, so is then, as far as it is on the same node (unfencing).
FIRST_IMPLIES_SAME_NODE_THEN: Final = 1 << 6
# A stop between two runs: required when then is, or when then cannot run.
INTERMEDIATE_STOP: Final = 1 << 7
# If first cannot run, then stands in its place (a start for a migrate_from).
FIRST_ELSE_THEN: Final = 1 << 8
# One way only: an unrunnable first blocks a then that has not happened yet.
ASYMMETRIC: Final = 1 << 9
# Then can run when enough of its firsts can.
MIN_RUNNABLE: Final = 1 << 10
# First cannot run unless then can, and can as part of a migration.
UNMIGRATABLE_THEN_BLOCKS: Final = 1 << 11
# Counts only if first is not part of a migration.
IF_FIRST_UNMIGRATABLE: Final = 1 << 12
# Counts only if both are on the same node.
IF_ON_SAME_NODE: Final = 1 << 13
# Counts only if both are required and on the same node.
IF_REQUIRED_ON_SAME_NODE: Final = 1 << 14
# Counts only if both are on the same node, or first's is the target of a migration.
IF_ON_SAME_NODE_OR_TARGET: Final = 1 << 15
# A required then makes first unnecessary.
THEN_CANCELS_FIRST: Final = 1 << 16
# Never both at once, in whichever order.
SERIALIZE: Final = 1 << 17
# If first is in the transition, so is then.
FIRST_IMPLIES_THEN_GRAPHED: Final = 1 << 18
# If then is in the transition, so is first.
THEN_IMPLIES_FIRST_GRAPHED: Final = 1 << 19
# It is about a connection: waited for even by what makes room for something that moves alive.
CONNECTION: Final = 1 << 20

# Flags of an action, and of what a collective's members say together.
OPTIONAL: Final = 1
RUNNABLE: Final = 2
# What changed when consequences were applied.
CHANGED_FIRST: Final = 1
CHANGED_THEN: Final = 2
