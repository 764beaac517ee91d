"""One node's machines wired together: totem, quorum, document, controller.

The one composition that both performers, `daemon` on the real host and `sim` in a virtual world,
run unchanged.
"""
