"""The shell: the only place that touches Kafka, disks, clocks and databases."""
