"""What the edge costs and what it is worth, beside its rivals in the same run.

The parts: `throughput`, `latency`, `memory`, `soak`, `steps`; `python -m bench edge` runs all of
them, `python -m bench.edge.soak --help` shows the options of one. The server has one core for
itself, the load generator another; the real edge runs as users run it, `afflux worker edge`, on a
journal on disk.
"""
