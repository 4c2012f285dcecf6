"""The supervisor of the embedded stack: processes, restarts, and what is left after a crash."""
