"""Quix Streams in an environment of its own, made once in the user's cache."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from afflux.runtime.paths import ROOT
from bench.attribution.kafka_streams import Missing

VERSION = "3.28.1"
PROGRAM = ROOT / "bench" / "attribution" / "rivals" / "quix_journeys.py"
_INSTALL_S = 180


def environment() -> Path:
    """Return the folder of the environment."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "afflux-bench" / f"quixstreams-{VERSION}"


def command() -> list[str]:
    """Return the command that runs the program, installing what is missing. Errors: Missing."""
    folder = environment()
    python, ready = folder / "bin" / "python", folder / "ready"
    if not ready.exists():
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        _run([str(python), "-m", "pip", "install", "-q", f"quixstreams=={VERSION}", "fastavro"])
        ready.touch()
    return [str(python), str(PROGRAM)]


def _run(words: list[str]) -> None:
    try:
        subprocess.run(words, capture_output=True, text=True, check=True, timeout=_INSTALL_S)
    except subprocess.CalledProcessError as error:
        raise Missing(f"Quix Streams could not be installed: {error.stderr[-500:]}") from error
    except (subprocess.TimeoutExpired, OSError) as error:
        raise Missing(f"Quix Streams could not be installed: {error}") from error
