"""A whole stack in one home: engines, topics, migrations, then our services."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from afflux.runtime.embedded.jars import Tell
from afflux.runtime.embedded.kafka import KafkaFiles, kafka_spec
from afflux.runtime.embedded.ports import Reservations
from afflux.runtime.embedded.postgres import (
    PostgresFiles,
    end_leftover,
    ensure_database,
    postgres_spec,
)
from afflux.runtime.homes import home_folder, settings_from, write_env
from afflux.runtime.prepare import prepare_stores
from afflux.runtime.refused import Refused
from afflux.runtime.settings import Settings
from afflux.runtime.supervise.environment import (
    bound_ports,
    disk_sentence,
    number,
    refuse_full_disk,
    refuse_taken,
    stack_env,
)
from afflux.runtime.supervise.leftovers import kill_leftovers
from afflux.runtime.supervise.lock import HomeLock
from afflux.runtime.supervise.services import DEFAULT_SERVICES, Service, service_spec
from afflux.runtime.supervise.spec import State
from afflux.runtime.supervise.state import StackState
from afflux.runtime.supervise.supervisor import Supervisor

ENGINES = ("kafka", "postgres")
ENGINE_START_S = 60.0
SERVICE_START_S = 60.0


class Stack:
    """Starts, stops and disturbs the processes of one home.

    `services` are names of workers (`"payouts"`), groups (`"screen+attribution"`,
    `"name=screen+attribution"`) or `Service` values with an environment of their own.
    `engines` are those run here; leave one out and name a server in `env` to use that instead.
    """

    def __init__(
        self,
        home: Path | str,
        services: Sequence[str | Service] = DEFAULT_SERVICES,
        *,
        free_ports: bool = False,
        env: Mapping[str, str] | None = None,
        engines: Iterable[str] = ENGINES,
        tell: Tell = lambda _: None,
    ) -> None:
        self.home = home_folder(home)
        self._services = [Service.of(s) if isinstance(s, str) else s for s in services]
        self._free_ports = free_ports
        self._overrides = dict(env or {})
        self._engines = tuple(engines)
        self._tell = tell
        self._lock = HomeLock(self.home)
        self._reservations = Reservations()
        self._supervisor: Supervisor | None = None
        self._env: dict[str, str] = {}

    def __enter__(self) -> Stack:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def settings(self) -> Settings:
        """The settings every process of this stack has."""
        return settings_from(self._env)

    @property
    def env(self) -> dict[str, str]:
        """The AFFLUX_* variables every process of this stack has."""
        return dict(self._env)

    def start(self) -> None:
        """Start everything and wait until each process says it is healthy.

        Errors: Refused, with one clear sentence; nothing is left running then.
        """
        refuse_full_disk(self.home)
        self._lock.acquire()
        try:
            self._start()
        except OSError as error:
            self.stop()
            raise Refused(disk_sentence(error, self.home)) from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the services, then the engines; each process gets 10 s, then SIGKILL."""
        if self._supervisor is not None:
            supervisor, self._supervisor = self._supervisor, None
            supervisor.phase("stopping")
            try:
                supervisor.stop([n for n in supervisor.names() if n not in ENGINES])
                supervisor.stop(ENGINES)
                supervisor.phase("stopped")
            finally:
                supervisor.close()
        self._reservations.release()
        self._lock.release()

    def names(self) -> list[str]:
        """Return the names of all processes."""
        return self._running().names()

    def state(self) -> StackState:
        """Return how every process stands now."""
        return self._running().snapshot()

    def pid(self, name: str) -> int:
        """Return the process id of `name`. Errors: Refused when it does not run."""
        pid = self._running().pid(name)
        if pid is None:
            raise Refused(f"{name} does not run")
        return pid

    def log(self, name: str) -> Path:
        """Return the log file of `name`."""
        return self._running().log(name)

    def admin_port(self, name: str) -> int:
        """Return the port of health, metrics and status of a service."""
        return self._running().spec(name).admin_port

    def free_port(self) -> int:
        """Reserve a port for as long as this stack lives, for a service that is added."""
        return self._reservations.free_port()

    def add(self, service: str | Service) -> None:
        """Start one more service and wait until it is healthy."""
        service = Service.of(service) if isinstance(service, str) else service
        self._start_service(service)
        self.wait_ready(service.name)

    def wait_ready(self, name: str, timeout_s: float = SERVICE_START_S) -> None:
        """Wait until `name` is healthy. Errors: Refused, with the end of its log."""
        self._running().wait(name, {State.RUNNING}, timeout_s)

    def stop_process(self, name: str) -> None:
        """Ask one process to leave, and wait for it; it is not restarted."""
        self._running().stop([name])

    def start_process(self, name: str) -> None:
        """Start a stopped process again and wait until it is healthy."""
        self._running().start(self._running().spec(name))
        self.wait_ready(name)

    def restart(self, name: str) -> None:
        """Stop and start one process."""
        self.stop_process(name)
        self.start_process(name)

    def kill(
        self, name: str, number: signal.Signals = signal.SIGKILL, *, restart: bool = True
    ) -> None:
        """Kill a process and all it started, and wait until it is gone.

        The supervisor starts it again unless `restart` is False; `wait_ready` waits for that.
        """
        supervisor, before = self._running(), self.pid(name)
        supervisor.signal(name, number, final=not restart)
        deadline = time.monotonic() + 15
        while supervisor.pid(name) == before:
            if time.monotonic() > deadline:
                raise Refused(f"{name} (process {before}) did not end on {number.name}")
            time.sleep(0.01)

    def pause(self, name: str) -> None:
        """Freeze a process (SIGSTOP)."""
        self._running().signal(name, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let a frozen process go on (SIGCONT)."""
        self._running().signal(name, signal.SIGCONT)

    def _start(self) -> None:
        if count := kill_leftovers(self.home):
            self._tell(f"killed {count} processes that an earlier stack left in {self.home}")
        end_leftover(PostgresFiles(self.home))
        reservations = self._reservations if self._free_ports else None
        self._env = stack_env(self.home, self._overrides, reservations)
        settings = self.settings  # a wrong setting is refused before anything starts
        self._check_ports(settings)
        write_env(self.home, self._env)
        self._supervisor = Supervisor(self.home)
        self._start_engines(settings)
        self._tell("creating topics and applying migrations")
        prepare_stores(settings)
        if self._services:
            self._tell("starting " + ", ".join(s.name for s in self._services))
        for service in self._services:
            self._start_service(service)
        for service in self._services:
            self.wait_ready(service.name)
        self._supervisor.phase("running")

    def _check_ports(self, settings: Settings) -> None:
        if "kafka" in self._engines:
            host, _, text = settings.kafka.rpartition(":")
            refuse_taken("AFFLUX_KAFKA", host, number("AFFLUX_KAFKA", text))
        for service in self._services:
            for variable, port in bound_ports(service.workers, {**self._env, **service.env}):
                host = settings.edge_host if variable == "AFFLUX_EDGE_PORT" else "127.0.0.1"
                refuse_taken(variable, host, port)

    def _start_engines(self, settings: Settings) -> None:
        supervisor = self._running()
        if "kafka" in self._engines:
            self._tell(f"starting Kafka on {settings.kafka}")
            port = int(settings.kafka.rpartition(":")[2])
            files = KafkaFiles(self.home, port, self._reservations.free_port())
            supervisor.start(kafka_spec(files, self._tell, settings.kafka_java_options))
        if "postgres" in self._engines:
            self._tell("starting PostgreSQL")
            supervisor.start(postgres_spec(PostgresFiles(self.home)))
            supervisor.wait("postgres", {State.RUNNING}, ENGINE_START_S)
            ensure_database(PostgresFiles(self.home))
        if "kafka" in self._engines:
            supervisor.wait("kafka", {State.RUNNING}, ENGINE_START_S)

    def _start_service(self, service: Service) -> None:
        port = self._reservations.free_port()
        self._running().start(service_spec(service, self._env, port))

    def _running(self) -> Supervisor:
        if self._supervisor is None:
            raise Refused(f"the stack of {self.home} does not run")
        return self._supervisor
