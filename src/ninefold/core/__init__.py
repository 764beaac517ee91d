"""The words that every layer speaks: node and ring ids, instants, findings, the step convention.

Nothing here knows a protocol. A word that only one layer uses belongs to that layer.
"""
