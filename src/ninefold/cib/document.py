"""The document itself: immutable by contract, cheap to share, exact in its round trip."""
