"""Hosts on this machine: namespaces joined by bridges, with a power switch and cables to cut.

A lab is one supervisor process in namespaces of its own, and everything else lives below it, so
that the kernel removes all of it when the supervisor ends, however it ends. `client.Lab` starts a
lab and talks to it; `supervisor` is the process; `plan` says what to build; nothing here knows what
the cluster on the hosts does.
"""
