"""`python -m bench.attribution [CLICKS] [--profile]`: the steps in one process."""

from __future__ import annotations

import sys

from bench.attribution.steps import main

main(sys.argv[1:])
