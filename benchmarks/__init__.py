"""Benchmarks: what the core costs, compared with raw `sqlite3` doing the same writes.

    make bench                                   a few minutes; a table, and a JSON line for each figure
    python -m benchmarks --only dispatch --long  some of it, at full size

Absolute figures depend on the machine. The share of the floor, measured in the same minute, depends on it less. So each
measure is split into short rounds that alternate with its floor, and the result is the median of the rounds' shares.
"""
