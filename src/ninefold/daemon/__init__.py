"""The node's machines on the real host: one loop, its store, its agents."""
