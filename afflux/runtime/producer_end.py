"""Ending a producer for certain: afterwards nothing of it reaches Kafka any more.

`AIOKafkaProducer.stop()` waits until all it holds is delivered. Given up half-way, because Kafka is
away, it leaves its sender behind, which delivers the old batch as soon as Kafka is back: after the
owner has read back what had arrived and sent the rest again.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaProducer

from afflux.runtime.kafka_errors import KAFKA_TROUBLE

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time to linger: what the kernel still holds for the broker is thrown away."""


async def end_producer(producer: AIOKafkaProducer, grace_s: float) -> None:
    """Stop a producer, and give what it holds `grace_s` seconds to be delivered; then cut it off.

    What the broker had received before may still be written by it. Never raises what is in
    KAFKA_TROUBLE.
    """
    ended = False
    try:
        with suppress(*KAFKA_TROUBLE):
            await asyncio.wait_for(producer.stop(), grace_s)
            ended = True
    finally:
        if not ended:
            await _cut_off(producer)


async def _cut_off(producer: AIOKafkaProducer) -> None:
    client = producer.client
    while tasks := _tasks_of(client, producer._sender, producer._message_accumulator):
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=1)
    readers = [connection._read_task for connection in client._conns.values()]
    for connection in client._conns.values():
        _reset(connection)
    await asyncio.gather(*filter(None, readers), return_exceptions=True)


def _tasks_of(*owners: object) -> list[asyncio.Task[Any]]:
    """Return the tasks that run a method of one of these objects."""
    found = []
    for task in asyncio.all_tasks():
        frame = getattr(task.get_coro(), "cr_frame", None)
        runs = None if frame is None else frame.f_locals.get("self")
        if any(runs is owner for owner in owners):
            found.append(task)
    return found


def _reset(connection: Any) -> None:
    """Close a connection without sending what is still in the buffers."""
    writer = connection._writer
    if writer is not None:
        with suppress(OSError):
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        writer.transport.abort()
    connection.close()
