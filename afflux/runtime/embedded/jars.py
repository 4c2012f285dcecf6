"""The jars of the broker: resolved by jgo, fetched once, checked at every start."""

from __future__ import annotations

import re
import sys
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from afflux.runtime.refused import Refused

KAFKA_VERSION = "4.4.0"
ENDPOINT = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.slf4j:slf4j-simple:1.7.36"
TELL_EVERY_S = 3.0

Tell = Callable[[str], None]


def kafka_jars(tell: Tell) -> list[Path]:
    """Return the broker's class path, fetching what is missing.

    `tell` gets a progress sentence every 3 s while jars are fetched.
    Errors: Refused when they cannot be fetched, or do not fit together.
    """
    done = threading.Event()
    teller = threading.Thread(target=_tell_progress, args=(done, tell), daemon=True)
    teller.start()
    try:
        jars = _resolve()
    except Exception as error:
        raise Refused(
            f"the jars of Apache Kafka {KAFKA_VERSION} could not be fetched: {error}. "
            "Check the network (Maven Central) and try again"
        ) from error
    finally:
        done.set()
        teller.join()
    check_versions(jars)
    return jars


def check_versions(jars: Sequence[Path]) -> None:
    """Refuse a class path whose Kafka jars are not all of the broker's version.

    A wrong coordinate beside the broker can pull an older kafka-clients in through its BOM;
    such a broker dies later with NoSuchMethodError.
    """
    found = {
        match[1]: match[2]
        for jar in jars
        if (match := re.fullmatch(r"(kafka[a-z0-9_.-]*?)-(\d[\w.-]*)\.jar", jar.name))
    }
    wrong = {name: version for name, version in found.items() if version != KAFKA_VERSION}
    if wrong or not {"kafka_2.13", "kafka-clients", "kafka-server"} <= found.keys():
        raise Refused(
            f"the Kafka jars do not fit together: wanted all of version {KAFKA_VERSION}, "
            f"resolved {found}. Remove the jgo cache and try again"
        )


def _resolve() -> list[Path]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs warns where XDG_RUNTIME_DIR is not set
        import jgo  # noqa: PLC0415 - slow to import, and only the supervisor needs it

        return [Path(jar) for jar in jgo.build(ENDPOINT).all_jars]


def _tell_progress(done: threading.Event, tell: Tell) -> None:
    started = time.monotonic()
    repository = Path.home() / ".m2" / "repository"
    while not done.wait(TELL_EVERY_S):
        fetched = sum(1 for _ in repository.rglob("*.jar")) if repository.exists() else 0
        seconds = time.monotonic() - started
        tell(f"fetching the jars of Apache Kafka {KAFKA_VERSION}: {fetched} here, {seconds:.0f} s")


def main() -> None:
    """Fetch the jars ahead of the first start (`make setup`)."""

    def say(sentence: str) -> None:
        sys.stdout.write(sentence + "\n")
        sys.stdout.flush()

    try:
        say(f"Apache Kafka {KAFKA_VERSION}: {len(kafka_jars(say))} jars")
    except Refused as refusal:
        sys.exit(str(refusal))


if __name__ == "__main__":
    main()
