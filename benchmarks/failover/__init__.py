"""How fast is a failover, and what does the speed cost? Ninefold and Corosync + Pacemaker, side by side.

Run by `make bench` as `python -m benchmarks.failover`. Both stacks run at the same time, each in a
lab of its own, on the same `corosync.conf` and the same CIB with the same agents, and take turns run
by run: what disturbs the machine disturbs both. `clusters` knows what differs between the stacks,
`experiments` what is measured, `plan` in which order, `table` how it is shown.
"""
