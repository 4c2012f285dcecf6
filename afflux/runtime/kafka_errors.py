"""What can go wrong between us and Kafka without being a fault of ours."""

from __future__ import annotations

from aiokafka.errors import KafkaError

KAFKA_TROUBLE: tuple[type[Exception], ...] = (KafkaError, TimeoutError, OSError)
"""Kafka is away, slow or changing: wait and try again."""
