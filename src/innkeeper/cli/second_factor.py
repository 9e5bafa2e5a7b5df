"""`innkeeper second-factor`: one-time codes of a device, beside one's password."""

from typing import Annotated

import typer

from innkeeper.cli.call import Call, verb
from innkeeper.cli.output import note
from innkeeper.cli.people import PasswordFile, password_in
from innkeeper.cli.session import ask

second_factor = typer.Typer(help="Your own second factor: one-time codes of a device.", no_args_is_help=True)


@verb(second_factor, "show")
def show_second_factor(call: Call) -> None:
    """Say whether signing in takes a one-time code, and how many recovery codes you have left."""
    state = call.client.get("/second-factor")
    call.out.facts(
        state, {"second factor": "on" if state["on"] else "off", "recovery codes left": state["recovery_codes_left"]}
    )


@verb(second_factor, "enable")
def enable_second_factor(
    call: Call,
    code: Annotated[str | None, typer.Option(help="A code of the device, where one was begun before.")] = None,
) -> None:
    """Have signing in take a one-time code of a device of yours, too."""
    if code is None:
        begun = call.client.post("/second-factor", {})
        note(f"Give your device this secret: {begun['secret']}\nor this address: {begun['uri']}")
        code = ask("Code of the device", hidden=False)
    _tell_codes(call, call.client.post("/second-factor/confirm", {"code": code}))


@verb(second_factor, "renew-codes")
def renew_recovery_codes(
    call: Call,
    code: Annotated[
        str | None, typer.Option(help="A code of the device, or a recovery code, instead of the password.")
    ] = None,
    password_file: PasswordFile = None,
) -> None:
    """Make new recovery codes of yours: those before let nobody in any more."""
    proof = (
        {"code": code} if code is not None else {"password": password_in(password_file) or ask("Password", hidden=True)}
    )
    _tell_codes(call, call.client.post("/second-factor/recovery-codes", proof))


@verb(second_factor, "disable")
def disable_second_factor(call: Call, password_file: PasswordFile = None) -> None:
    """Have signing in take your password alone."""
    password = password_in(password_file) or ask("Password", hidden=True)
    call.client.post("/second-factor/disable", {"password": password})
    call.out.result({"on": False}, "You sign in by password alone.")


def _tell_codes(call: Call, codes: dict[str, list[str]]) -> None:
    call.out.result(codes, "\n".join(codes["recovery_codes"]))
    if not call.out.as_json:
        note("Keep these recovery codes: each lets you in once without the device. They are not shown again.")
