"""Corosync's client libraries by ctypes, and the performer of `ninefold.corosync`'s requests.

One file for each library, with its structures and calls; `link` alone knows the event loop. Nothing is
loaded before a daemon asks for this back end.
"""
