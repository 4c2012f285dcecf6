"""`afflux dlq list | show ID | replay ID...`: records that nobody could process."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import typer
from rich.table import Table

from afflux.cli.errors import Refused
from afflux.cli.options import Home
from afflux.cli.wide import wide_console
from afflux.kernel import scalars
from afflux.kernel.reasons import REASONS
from afflux.runtime.dlq import Letter, Replacement, choose, read_letters, replay, replayed
from afflux.runtime.homes import load_home
from afflux.runtime.kafka_errors import KAFKA_TROUBLE
from afflux.runtime.partial import Partial, decode_partially
from afflux.runtime.producer import PublishError
from afflux.runtime.schemas import registry
from afflux.runtime.settings import Settings

app = typer.Typer(
    name="dlq",
    no_args_is_help=True,
    help="Records that nobody could process, with their bytes as they were.",
)
Topic = Annotated[str | None, typer.Option(help="Only of this origin topic.")]
Reason = Annotated[str | None, typer.Option(help="Only with this reason code.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
T = TypeVar("T")
_DUMP_BYTES = 2_048


@app.command(name="list")
def list_letters(
    home: Home = None,
    topic: Topic = None,
    reason: Reason = None,
    replays: Annotated[
        bool, typer.Option("--replays", help="Also tell which were replayed; reads their topics.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the dead letters, oldest first.

    Example: afflux dlq list --topic tracking.clicks --reason value_damaged --replays
    """
    _check_reason(reason)
    settings = load_home(home)
    letters = _ask(settings, read_letters(settings, topic, reason))
    done = _ask(settings, replayed(settings, letters)) if replays else None
    if as_json:
        _print_json([_summary(letter, done) for letter in letters])
    elif not letters:
        typer.echo("no dead letters", err=True)
    else:
        wide_console().print(_table(letters, done))


@app.command()
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="The id, or how it begins.")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter: why, from where, its bytes, and what can be decoded of them.

    Example: afflux dlq show 3f9a01
    """
    settings = load_home(home)
    (letter,) = choose(_ask(settings, read_letters(settings)), [letter_id])
    partial = decode_partially(letter.record.origin_value, registry())
    if as_json:
        _print_json({**_summary(letter, None), **_details(letter, partial)})
        return
    for line in _lines(letter, partial):
        typer.echo(line)


@app.command(name="replay")
def replay_letters(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID...", help="Ids, or how they begin.")
    ] = None,
    home: Home = None,
    every: Annotated[bool, typer.Option("--all", help="All --topic and --reason leave.")] = False,
    topic: Topic = None,
    reason: Reason = None,
    file: Annotated[
        Path | None,
        typer.Option(help="Bytes to put instead of the value, for one ID.", exists=True),
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="Key to put instead, hexadecimal, for one ID.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put records back at the end of the topic and partition they came from.

    Their bytes, key and headers are those of the original, unless --file or --key replaces them;
    the header afflux-replay-of names the dead letter. A record that several stages met is put
    back once. Replay after what failed was mended: a stage that still cannot process the record
    writes it to the dead letters again.

    Example: afflux dlq replay 3f9a01 --file fixed.bin
    """
    _check_reason(reason)
    _check_choice(ids or [], every, instead=bool(file or key))
    instead = Replacement(file.read_bytes() if file else None, _key(key))
    settings = load_home(home)
    letters = _ask(settings, read_letters(settings, topic, reason))
    chosen = letters if every else choose(letters, ids or [])
    done = _ask(settings, replay(settings, chosen, instead)) if chosen else []
    if as_json:
        _print_json({"replayed": [_summary(letter, None) for letter in done]})
        return
    for letter in done:
        typer.echo(f"{letter.id} -> {letter.record.origin_topic}")
    typer.echo(f"{len(done)} record{'' if len(done) == 1 else 's'} put back", err=True)


def _ask(settings: Settings, work: Coroutine[Any, Any, T]) -> T:
    trouble: tuple[type[Exception], ...] = (PublishError, *KAFKA_TROUBLE)
    try:
        return asyncio.run(work)
    except trouble as error:
        raise Refused(f"Kafka at {settings.kafka} does not answer: {error}") from error


def _check_reason(reason: str | None) -> None:
    if reason is not None and reason not in REASONS:
        raise typer.BadParameter(f"no reason code {reason!r}", param_hint="--reason")


def _check_choice(ids: Sequence[str], every: bool, instead: bool) -> None:
    if every == bool(ids):
        raise typer.BadParameter("give either IDs or --all")
    if instead and (every or len(ids) != 1):
        raise typer.BadParameter("--file and --key go with exactly one ID")


def _key(text: str | None) -> bytes | None:
    try:
        return None if text is None else bytes.fromhex(text)
    except ValueError as error:
        raise typer.BadParameter("give hexadecimal digits", param_hint="--key") from error


def _summary(letter: Letter, done: set[str] | None) -> dict[str, Any]:
    record = letter.record
    summary: dict[str, Any] = {
        "id": letter.id,
        "topic": record.origin_topic,
        "partition": record.origin_partition,
        "offset": record.origin_offset,
        "stage": record.stage,
        "reason": record.reason,
        "error": record.error,
        "recorded_at": record.recorded_at,
        "bytes": None if record.origin_value is None else len(record.origin_value),
        "replay_of": letter.replay_of,
    }
    return summary if done is None else {**summary, "replayed": letter.id in done}


def _details(letter: Letter, partial: Partial) -> dict[str, Any]:
    record = letter.record
    known = REASONS.get(record.reason)
    return {
        "sentence": {"en": known.en, "ru": known.ru} if known else None,
        "attempts": record.attempts,
        "key": None if record.origin_key is None else record.origin_key.hex(),
        "value": None if record.origin_value is None else b64encode(record.origin_value).decode(),
        "headers": [{"name": h.name, "value": b64encode(h.value).decode()} for h in record.headers],
        "schema": partial.schema,
        "decoded": _shown(partial.fields),
        "stopped_at": partial.stopped_at,
        "problem": partial.problem,
    }


def _shown(value: Any) -> Any:
    """Return decoded fields with their bytes as hexadecimal digits."""
    match value:
        case bytes():
            return value.hex()
        case dict():
            return {name: _shown(each) for name, each in value.items()}
        case list():
            return [_shown(each) for each in value]
        case _:
            return value


def _table(letters: Sequence[Letter], done: set[str] | None) -> Table:
    table = Table()
    # Ids stay whole, so that they can be copied into the next command.
    table.add_column("id", no_wrap=True)
    for column in ("recorded at", "origin", "stage", "reason", "bytes"):
        table.add_column(column, justify="right" if column == "bytes" else "left")
    if done is not None:
        table.add_column("replayed")
    for letter in letters:
        record = letter.record
        cells = [
            letter.id,
            scalars.instant_text(record.recorded_at),
            f"{record.origin_topic}/{record.origin_partition}@{record.origin_offset}",
            record.stage,
            record.reason,
            "-" if record.origin_value is None else str(len(record.origin_value)),
        ]
        if done is not None:
            cells.append("yes" if letter.id in done else "no")
        table.add_row(*cells)
    return table


def _lines(letter: Letter, partial: Partial) -> Iterator[str]:
    record = letter.record
    known = REASONS.get(record.reason)
    yield f"id        {letter.id}"
    yield f"origin    {record.origin_topic}/{record.origin_partition}@{record.origin_offset}"
    yield f"recorded  {scalars.instant_text(record.recorded_at)}"
    yield f"stage     {record.stage}"
    yield f"reason    {record.reason}: {known.en if known else 'not in the catalogue'}"
    yield f"error     {record.error}"
    yield f"key       {'none' if record.origin_key is None else record.origin_key.hex()}"
    for header in record.headers:
        yield f"header    {header.name}: {header.value!r}"
    yield f"schema    {partial.schema or 'unknown'}"
    if partial.problem:
        where = f" at field {partial.stopped_at}" if partial.stopped_at else ""
        yield f"decoded   as far as it goes; stopped{where}: {partial.problem}"
    for name, value in _shown(partial.fields).items():
        yield f"  {name} = {msgspec.json.encode(value).decode()}"
    yield f"value     {len(record.origin_value or b'')} bytes"
    yield from _dump(record.origin_value or b"")


def _dump(value: bytes) -> Iterator[str]:
    for at in range(0, min(len(value), _DUMP_BYTES), 16):
        row = value[at : at + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"  {at:08x}  {row.hex(' '):<47}  {text}"
    if len(value) > _DUMP_BYTES:
        yield f"  ... {len(value) - _DUMP_BYTES} bytes more; --json has all of them in base64"


def _print_json(value: Any) -> None:
    typer.echo(msgspec.json.encode(value).decode())
