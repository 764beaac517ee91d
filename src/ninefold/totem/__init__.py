"""Membership and total order: the Totem single-ring protocol, its links, and process groups.

A pure machine: told the time and what arrived, it answers with what to send, save and deliver.
`README.md` tells the states in sentences.
"""
