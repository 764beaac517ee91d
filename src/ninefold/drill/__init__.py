"""Prove it: break something on purpose, and measure what a client saw."""
