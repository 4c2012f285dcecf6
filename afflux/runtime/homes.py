"""The home of a stack: one folder with its data, its secret and the settings it runs with.

HOME/secret is made once. HOME/run/env holds the settings of the running stack, KEY=value lines,
so that every other command needs only the home to find it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from afflux.runtime.refused import Refused
from afflux.runtime.settings import Settings

DEFAULT_HOME = ".afflux"
PREFIX = "AFFLUX_"


def home_folder(home: Path | str | None = None) -> Path:
    """Return the home as an absolute path: the argument, else AFFLUX_HOME, else .afflux."""
    return Path(home or os.environ.get("AFFLUX_HOME") or DEFAULT_HOME).expanduser().resolve()


def env_file(home: Path) -> Path:
    """Return the file with the settings of the stack of `home`."""
    return home / "run" / "env"


def load_home(home: Path | str | None = None) -> Settings:
    """Return the settings of the stack of `home`.

    What its supervisor wrote wins over our environment, because it says which ports are really in
    use. In a container there is no such file: there the environment alone says where things are.
    Errors: Refused when neither tells, or a setting is not valid.
    """
    folder = home_folder(home)
    own = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    try:
        stored = parse_env(env_file(folder).read_text())
    except FileNotFoundError as error:
        if own.get("AFFLUX_KAFKA") and own.get("AFFLUX_POSTGRES"):
            return settings_from({**own, "AFFLUX_HOME": str(folder)})
        raise Refused(
            f"no stack was started in {folder}: run `afflux up --home {folder}` first"
        ) from error
    return settings_from({**own, **stored, "AFFLUX_HOME": str(folder)})


def settings_from(env: Mapping[str, str]) -> Settings:
    """Return the settings that a process with the environment `env` would have.

    Errors: Refused, naming the variable, when one is not valid.
    """
    fields = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in env.items()
        if name.startswith(PREFIX)
    }
    known = {name: value for name, value in fields.items() if name in Settings.model_fields}
    try:
        return Settings.model_validate(known)
    except ValueError as error:
        raise Refused(f"a setting is not valid: {error}") from error


def write_env(home: Path, env: Mapping[str, str]) -> None:
    """Write the settings of the stack of `home`; only its owner can read them."""
    text = "".join(f"{name}={value}\n" for name, value in sorted(env.items()))
    write_private(env_file(home), text)


def parse_env(text: str) -> dict[str, str]:
    """Return the variables of KEY=value lines; a value keeps every other character."""
    pairs = (line.partition("=") for line in text.splitlines() if line and line[0] != "#")
    return {name: value for name, _, value in pairs}


def ensure_secret(home: Path) -> str:
    """Return the master secret of `home`, made at its first start: 64 hexadecimal characters."""
    path = home / "secret"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        write_private(path, secrets.token_hex(32) + "\n")
        return path.read_text().strip()


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
