"""The operator's `corosync.conf`: read in full, judged against its surroundings, typed.

Parsing knows the grammar, judging knows the rules; both return findings, all at once, with file,
line and remedy. What must be looked up in the world (addresses, the key file, users) is handed in.
"""
