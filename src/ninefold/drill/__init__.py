"""Prove it: break something on purpose, and measure what a client saw.

`probe` runs the client, a program of its own (`client`); `outage` is the arithmetic over what it
saw. The client can be put anywhere by a command line, so a drill needs no lab.
"""
