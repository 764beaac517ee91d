"""Ninefold: design, run, operate and prove a high-availability cluster on Linux.

Imports point down the stack that `ARCHITECTURE.md` draws; a test holds the packages to it.
"""

__version__ = "0.1.0"
