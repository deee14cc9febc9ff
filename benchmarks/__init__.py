"""Timings, as ratios of two commands that ran in turns on one machine. `make bench` runs all of them.

No test contains a time: machines are shared, and a slow hour is not a fault. Each program here prints what it
measured and writes it to a file of ``benchmarks/results`` with machine and date.
"""
