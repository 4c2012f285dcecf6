"""`afflux keys`: what an advertiser's system needs to authenticate its reports."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer

from afflux.cli.errors import Refused
from afflux.cli.options import Home
from afflux.cli.who import login
from afflux.kernel import scalars
from afflux.kernel.catalog import Advertiser, Catalog
from afflux.kernel.catalog.plan import Plan, make_plan
from afflux.kernel.catalog.rotation import ends, rotate_key, rotate_token
from afflux.kernel.keys import postback_key, postback_token
from afflux.kernel.types import Millis
from afflux.runtime.catalog_store import apply_plan, load_catalog
from afflux.runtime.clock import now_ms
from afflux.runtime.homes import load_home
from afflux.runtime.settings import Settings

app = typer.Typer(
    name="keys",
    no_args_is_help=True,
    help="Tokens and HMAC keys of advertisers. They derive from the master secret; none is stored.",
)
Owner = Annotated[int, typer.Option(help="Id of the advertiser.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_MOST_CLICK_KEYS = 255


@app.command()
def show(advertiser: Owner, home: Home = None, as_json: AsJson = False) -> None:
    """Show an advertiser's token and HMAC keys, and until when. Give them to nobody else.

    Example: afflux keys show --advertiser 1
    """
    settings = load_home(home)
    _show(settings, asyncio.run(load_catalog(settings)), advertiser, as_json)


@app.command()
def token(advertiser: Owner, home: Home = None) -> None:
    """Print the token alone, for scripts.

    Example: TOKEN=$(afflux keys token --advertiser 1)
    """
    settings = load_home(home)
    found = _advertiser(asyncio.run(load_catalog(settings)), advertiser, now_ms())
    if not found.allow_token:
        raise Refused(f"advertiser {advertiser} may not use a token: it signs its reports")
    typer.echo(postback_token(_secret(settings), found.id, found.token_generation))


@app.command()
def rotate(
    advertiser: Annotated[int | None, typer.Option(help="Id of the advertiser.")] = None,
    of_token: Annotated[bool, typer.Option("--token", help="The token, not the HMAC key.")] = False,
    clicks: Annotated[
        bool, typer.Option("--clicks", help="Say how to rotate the key that signs click ids.")
    ] = False,
    overlap: Annotated[
        str, typer.Option(help="How long the old ones stay valid; 0 after a leak.")
    ] = "7d",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Give an advertiser a new HMAC key or token; the old ones end by themselves.

    It writes versions of the advertiser to the catalogue: from now on with both, after --overlap
    with the new one alone. Edges follow without a restart. `keys show` tells what is valid and
    until when.

    Example: afflux keys rotate --advertiser 1 --overlap 14d
    """
    settings = load_home(home)
    if clicks == (advertiser is not None) or (clicks and of_token):
        raise typer.BadParameter("give either --advertiser ID or --clicks")
    if advertiser is None:
        _tell_clicks(settings)
        return
    owner, lasting_s = advertiser, _overlap(overlap)

    def plan(catalog: Catalog, now: Millis) -> Plan:
        _advertiser(catalog, owner, now)
        make = rotate_token if of_token else rotate_key
        declaration = make(catalog, owner, now, Millis(now + lasting_s * 1000))
        return make_plan(declaration, catalog, now)

    what = "token" if of_token else "key"
    asyncio.run(apply_plan(settings, plan, login(), f"{what} rotated, overlap {overlap}"))
    _show(settings, asyncio.run(load_catalog(settings)), owner, as_json)


def _show(settings: Settings, catalog: Catalog, advertiser_id: int, as_json: bool) -> None:
    now, secret = now_ms(), _secret(settings)
    found = _advertiser(catalog, advertiser_id, now)
    until = {name: scalars.instant_text(at) for name, at in ends(catalog, found.id, now).items()}
    generations = [found.token_generation, *found.old_token_generations]
    tokens = {each: postback_token(secret, found.id, each) for each in generations}
    keys = {kid: postback_key(secret, found.id, kid).decode() for kid in found.key_ids}
    if as_json:
        old = {text: until.get(f"token {each}") for each, text in list(tokens.items())[1:]}
        told = {
            "advertiser": found.id,
            "token": tokens[found.token_generation] if found.allow_token else None,
            "old_tokens": old if found.allow_token else {},
            "keys": keys,
            "until": {kid: until[f"key {kid}"] for kid in keys if f"key {kid}" in until},
        }
        typer.echo(json.dumps(told, indent=1))
        return
    if not found.allow_token:
        typer.echo("token  not allowed: this advertiser signs its reports")
    for each, text in tokens.items() if found.allow_token else ():
        typer.echo(f"token  {text}{_ending(until.get(f'token {each}'))}")
    for kid, key in keys.items():
        typer.echo(f"key    {kid}  {key}{_ending(until.get(f'key {kid}'))}")


def _ending(at: str | None) -> str:
    return f"  until {at}" if at else ""


def _tell_clicks(settings: Settings) -> None:
    """Print the steps: every edge must know a key before the first one signs with it."""
    ids = [int(text) for text in settings.click_key_ids.split(",")]
    fresh = max(ids) + 1
    if fresh > _MOST_CLICK_KEYS:
        raise Refused(f"key ids go up to {_MOST_CLICK_KEYS}: use one that is over again")
    known, old = ",".join(map(str, ids)), ",".join(map(str, [*ids, fresh]))
    typer.echo(f"Edges sign click ids with the first of AFFLUX_CLICK_KEY_IDS={known}")
    typer.echo(f"1. AFFLUX_CLICK_KEY_IDS={old}    restart every edge: all know key {fresh}")
    typer.echo(f"2. AFFLUX_CLICK_KEY_IDS={fresh},{known}    restart them again: {fresh} signs")
    typer.echo(f"3. AFFLUX_CLICK_KEY_IDS={fresh}    after the longest click window of any offer")


def _overlap(text: str) -> int:
    try:
        return scalars.duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--overlap") from error


def _advertiser(catalog: Catalog, advertiser_id: int, now: Millis) -> Advertiser:
    found = catalog.find(Advertiser, advertiser_id, now, now)
    if found is None:
        raise Refused(f"the catalogue has no advertiser {advertiser_id}")
    return found


def _secret(settings: Settings) -> bytes:
    return settings.secret.get_secret_value().encode()
