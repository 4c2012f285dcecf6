"""`afflux keys`: what an advertiser's system needs to authenticate its reports."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from afflux.cli.errors import Refused
from afflux.kernel.catalog import Advertiser
from afflux.kernel.keys import postback_key, postback_token
from afflux.runtime.catalog_store import load_catalog
from afflux.runtime.clock import now_ms
from afflux.runtime.homes import load_home
from afflux.runtime.settings import Settings

app = typer.Typer(
    name="keys",
    no_args_is_help=True,
    help="Tokens and HMAC keys of advertisers. They derive from the master secret; none is stored.",
)
Home = Annotated[Path | None, typer.Option(help="Folder of all state; AFFLUX_HOME, else .afflux.")]
Owner = Annotated[int, typer.Option(help="Id of the advertiser.")]


@app.command()
def show(
    advertiser: Owner,
    home: Home = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show an advertiser's token and HMAC keys. Give them to nobody else.

    Example: afflux keys show --advertiser 1
    """
    settings = load_home(home)
    found = _advertiser(settings, advertiser)
    secret = settings.secret.get_secret_value().encode()
    keys = {kid: postback_key(secret, found.id, kid).decode() for kid in found.key_ids}
    told = {"advertiser": found.id, "token": _token(settings, found), "keys": keys}
    if as_json:
        typer.echo(json.dumps(told, indent=1))
        return
    typer.echo(f"token  {told['token'] or 'not allowed: this advertiser signs its reports'}")
    for kid, key in keys.items():
        typer.echo(f"key    {kid}  {key}")


@app.command()
def token(advertiser: Owner, home: Home = None) -> None:
    """Print the token alone, for scripts.

    Example: TOKEN=$(afflux keys token --advertiser 1)
    """
    settings = load_home(home)
    text = _token(settings, _advertiser(settings, advertiser))
    if text is None:
        raise Refused(f"advertiser {advertiser} may not use a token: it signs its reports")
    typer.echo(text)


def _advertiser(settings: Settings, advertiser_id: int) -> Advertiser:
    now = now_ms()
    found = asyncio.run(load_catalog(settings)).find(Advertiser, advertiser_id, now, now)
    if found is None:
        raise Refused(f"the catalogue has no advertiser {advertiser_id}")
    return found


def _token(settings: Settings, advertiser: Advertiser) -> str | None:
    if not advertiser.allow_token:
        return None
    secret = settings.secret.get_secret_value().encode()
    return postback_token(secret, advertiser.id, advertiser.token_generation)
