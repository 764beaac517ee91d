"""Ordered messages per second and their latency on the embedded ring."""
