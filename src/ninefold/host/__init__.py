"""Performs effects on this host: UDP, timers, processes, SQLite, netlink, D-Bus.

No decisions live here. Everything that can fail in the world comes back as an event.
"""
