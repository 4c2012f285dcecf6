"""Real engines from packages: Apache Kafka on a Java runtime wheel, PostgreSQL from a wheel."""
