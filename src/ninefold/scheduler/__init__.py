"""The policy engine: one pure function from the cluster's document and a time to a transition.

Each action of the transition carries the reasons of the evaluation that decided it.
"""
