"""Membership, order and votes from a Corosync that runs on this host: the second back end.

A pure machine with the surface of `ninefold.totem`: it is told what Corosync's libraries report and
answers with what to ask of them. `README.md` tells the states in sentences.
"""
