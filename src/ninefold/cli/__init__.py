"""The command line: every job of an operator, as text and as JSON."""
