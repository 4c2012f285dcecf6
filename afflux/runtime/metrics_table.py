"""The metrics as a table for people: `python -m afflux.runtime.metrics_table`."""

from __future__ import annotations

import sys

from prometheus_client.metrics import MetricWrapperBase

from afflux.runtime import metrics

BEGIN, END = "<!-- metrics: begin -->\n", "<!-- metrics: end -->\n"


def metrics_table() -> str:
    """Return a Markdown table of every metric in the catalogue."""
    found = sorted(
        (value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)),
        key=lambda metric: str(metric._name),
    )
    rows = [
        f"| `{_name(one)}` | {one._type} | {', '.join(one._labelnames)} | {one._documentation} |"
        for one in found
    ]
    return "\n".join(["| metric | type | labels | meaning |", "|---|---|---|---|", *rows, ""])


def _name(metric: MetricWrapperBase) -> str:
    return f"{metric._name}_total" if metric._type == "counter" else str(metric._name)


if __name__ == "__main__":
    sys.stdout.write(metrics_table())
