"""Settings of every process, from the environment (`AFFLUX_*`).

One class, so that a name means the same in the embedded stack, in compose and in a cluster.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """All settings, with the defaults of the embedded stack."""

    model_config = SettingsConfigDict(env_prefix="AFFLUX_", extra="ignore", frozen=True)

    home: Path = Field(Path(".afflux"), description="folder of all local state")
    tenant_id: int = Field(0, description="tenant written into every event")
    kafka: str = Field("127.0.0.1:9092", description="Kafka bootstrap servers, comma separated")
    kafka_java_options: str = Field("", description="more Java options of the embedded broker")
    postgres: str = Field("", description="PostgreSQL connection string")
    clickhouse: str = Field(
        "", description="clickhouse-connect DSN; chdb:///path embeds the engine"
    )
    topic_partitions: int = Field(4, description="partitions of co-partitioned topics when created")
    topic_replication: int = Field(1, description="replication factor when topics are created")

    secret: SecretStr = Field(
        SecretStr(""), description="master secret all keys derive from; >= 32 characters"
    )
    click_key_ids: str = Field("1", description="click token key ids, the signing one first")

    edge_host: str = Field("127.0.0.1", description="address the edge binds")
    edge_port: int = Field(8080, description="public port of the tracking edge")
    edge_id: str = Field("edge-1", description="name of this edge; one journal each")
    edge_public_url: str = Field(
        "", description="how visitors reach the edge; default from host, port"
    )
    journal_dir: Path | None = Field(
        None, description="journal folder; default HOME/journal/EDGE_ID"
    )
    edge_trusted_proxies: str = Field(
        "", description="networks (CIDR, comma separated) of our proxies; only theirs are believed"
    )
    edge_address_header: str = Field(
        "x-forwarded-for", description="header in which those proxies name the client"
    )
    edge_read_s: float = Field(
        10.0, description="longest wait for a request's head, for its body, and between requests"
    )
    edge_connections: int = Field(10_000, description="connections an edge holds at once")
    geo_db: str = Field(
        "", description="MaxMind-format databases of countries and networks, comma separated files"
    )
    edge_opt_out: Literal["off", "gpc", "gpc+dnt"] = Field(
        "gpc", description="signals of a browser that keep its visitor from being followed"
    )
    edge_advertiser_rate: int = Field(
        1_000, ge=0, description="reports a second one advertiser may send on and on; 0: no limit"
    )
    edge_advertiser_burst: int = Field(
        10_000, ge=1_000, description="reports an advertiser may send at once; a batch has 1,000"
    )
    edge_address_rate: int = Field(
        1_000, ge=0, description="requests with reports a second from one address; 0: no limit"
    )
    edge_address_burst: int = Field(
        10_000, ge=1, description="requests with reports from one address at once"
    )
    edge_failure_rate: int = Field(
        60, ge=0, description="failed authentications a minute from one address; 0: no limit"
    )
    edge_failure_burst: int = Field(
        100, ge=1, description="failed authentications from one address at once"
    )
    journal_segment_bytes: int = Field(64 << 20, description="size that begins a new segment")
    journal_limit_bytes: int = Field(4 << 30, description="journal size that refuses conversions")

    analytics_host: str = Field("127.0.0.1", description="address of the KPI API")
    analytics_port: int = Field(8081, description="port of the KPI API")
    analytics_url: str = Field("", description="where clients find the KPI API; default host, port")
    monitor_port: int = Field(6066, description="port of the monitor's web view")
    monitor_window_s: int = Field(300, description="sliding window of the monitor's shares")
    monitor_least: int = Field(20, description="records in the window before the monitor warns")
    monitor_hold_share: float = Field(
        0.5, description="share of held assessments in the window that the monitor warns of"
    )
    monitor_dead_letter_share: float = Field(
        0.05, description="share of dead letters in the window that the monitor warns of"
    )
    admin_host: str = Field("127.0.0.1", description="address of health and metrics, never public")
    admin_port: int = Field(0, description="port of health and metrics; 0 picks a free one")

    batch_records: int = Field(2000, description="records a consumer takes at once")
    poll_ms: int = Field(100, description="longest wait for records")
    send_timeout_s: float = Field(15.0, description="bound on every await of the producer")
    dead_letter_share: float = Field(
        0.2, description="share of dead letters in the last 1,000 records that stops a service"
    )
    screen_wait_ms: int = Field(30_000, description="longest wait for clicks and their screening")
    attribution_grace_s: int = Field(86_400, description="log time in which a late touch revises")
    attribution_keep_days: int = Field(
        90,
        ge=1,
        description="days of log time touches are kept at least; else the longest window there is",
    )
    checkpoint_minutes: float = Field(
        10.0, ge=0, description="minutes between two checkpoints of a partition's state; 0: none"
    )
    checkpoint_keep: int = Field(2, ge=1, description="checkpoints kept of each partition")
    checkpoints: Path | None = Field(
        None, description="folder of checkpoints, may be a shared volume; default HOME/checkpoints"
    )
    catalog_lead_ms: int = Field(1_000, description="a change is known this long after its apply")

    retention_agent_days: int = Field(
        30,
        ge=0,
        description="days ClickHouse keeps raw user agents and referrer paths; 0: for ever",
    )
    retention_address_days: int = Field(
        30, ge=0, description="days ClickHouse keeps cut and hashed addresses; 0: for ever"
    )
    retention_sub_days: int = Field(
        400, ge=0, description="days ClickHouse keeps sub ids and ref ids; 0: for ever"
    )
    retention_visitor_days: int = Field(
        400, ge=0, description="days ClickHouse keeps visitor keys of clicks, views and flags"
    )
    retention_rejection_days: int = Field(
        365, ge=0, description="days ClickHouse keeps refused requests and dead letters as sent"
    )
    notify_allow_networks: str = Field(
        "", description="networks (CIDR, comma separated) postbacks may go to besides public ones"
    )
    notify_settle_ms: int = Field(
        1_000, description="how long a conversion rests before its partner is told"
    )
    notify_backoff_ms: int = Field(5_000, description="wait after the first failed postback")
    notify_give_up_s: int = Field(86_400, description="how long a postback is tried")
    notify_timeout_s: float = Field(10.0, description="bound on one postback, redirects included")
    notify_concurrency: int = Field(64, description="postbacks under way at once")
    notify_per_partner: int = Field(8, description="of them, to one partner")
    notify_per_endpoint: int = Field(4, description="of them, to one host and port of a partner")
    notify_per_host: int = Field(16, description="of them, to one host, whatever the port")
    notify_log_days: int = Field(90, description="how long ended postbacks are kept in the log")

    @property
    def journal(self) -> Path:
        """Folder of this edge's journal."""
        return self.journal_dir or self.home / "journal" / self.edge_id

    @property
    def checkpoint_root(self) -> Path:
        """Folder of all checkpoints: STAGE/PARTITION/NUMBER."""
        return self.checkpoints or self.home / "checkpoints"

    @property
    def edge_url(self) -> str:
        """Public address of the edge, without a trailing slash."""
        return (self.edge_public_url or f"http://{self.edge_host}:{self.edge_port}").rstrip("/")

    @property
    def kpi_url(self) -> str:
        """Address of the KPI API, without a trailing slash."""
        return (self.analytics_url or f"http://{self.analytics_host}:{self.analytics_port}").rstrip(
            "/"
        )


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return the settings of this process, read once."""
    return Settings()
