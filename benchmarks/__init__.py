"""Benchmarks: what the core costs, measured beside raw `sqlite3` doing the same writes.

    make bench                                   a few minutes; a table, and a JSON line for each figure
    python -m benchmarks --only dispatch --long  some of it, at full size

A figure of one machine says little; its share of the floor, measured in the same minute, says more. So each measure is
cut into short rounds that alternate with its floor, and what is kept is the median of the rounds' shares.
"""
