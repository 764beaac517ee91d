"""How to silence a node: devices, who they can fence, retries, and when a node counts as silent.

The machine decides which fence agent to run with which parameters; the performer runs it.
"""
