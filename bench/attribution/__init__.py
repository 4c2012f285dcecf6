"""What attribution takes in and decides a second, beside its rivals in the same run.

The parts: `steps` (processor time in one process, no broker), `journeys`, `decide`, `latency`;
`python -m bench attribution` runs all of them, `python -m bench.attribution` the first,
`python -m bench.attribution.decide --help` shows the options of one. The parts with a broker start
one of their own; the worker under test has one core for itself, the broker and the load the others.
"""
