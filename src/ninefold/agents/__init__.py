"""The contract of resource and fence agents: environment, parameters, exit codes, metadata.

Pure: it says what to run and what an answer means. `host` runs it.
"""
