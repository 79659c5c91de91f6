"""What several commands of the command line take."""

import re
from typing import Annotated

import typer

from gristmill.errors import RequestError


def number_of(version: str) -> int:
    """Return the number of a version, given as 3 or v3.

    Raises:
        RequestError: given otherwise.
    """
    if not re.fullmatch(r"v?[1-9]\d*", version):
        raise RequestError(f"version {version!r}: expected a number, such as 3 or v3.")
    return int(version.removeprefix("v"))


Name = Annotated[str, typer.Argument(help="A pipeline of pipelines.toml.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="TABLE.KEY=VALUE", help="Override a setting for this call.")
]
Refresh = Annotated[str | None, typer.Option(metavar="STAGE", help="Do this stage again, even if its result is there.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
ByVersion = Annotated[
    int | None, typer.Option("--version", metavar="N", parser=number_of, help="Not by the champion but by this one.")
]
