"""What an operator may get wrong."""

from __future__ import annotations


def check(root):
    return []
