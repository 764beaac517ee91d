"""One node's conductor: join, DC, carrying out a transition, counting failures.

Level, not edge: it compares wanted with seen and derives the next step anew. Everything the
members must agree on travels in total order.
"""
