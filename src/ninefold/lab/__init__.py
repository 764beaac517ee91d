"""Hosts on this machine: namespaces joined by bridges, with a power switch and cables to cut."""
