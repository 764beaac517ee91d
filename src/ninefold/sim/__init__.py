"""The node's machines in a virtual world: network, clock, power, disk, agents, and the checkers.

One process, one thread, one seed: the same seed gives the same trace.
"""
