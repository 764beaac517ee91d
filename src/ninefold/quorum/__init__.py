"""May this partition act? votequorum's semantics as a pure machine.

Told who is in the ring and what each member says of itself, it answers with a verdict. It sends
nothing itself: what must be told to the others is an effect.
"""
