"""The base of every table in `pipelines.toml`: frozen, strict, and refusing unknown keys.

Settings are hashed as values, so no `settings` module is part of a stage's code closure
(`identity.py`); in return they hold fields and validators only, which a test enforces.
"""

from collections.abc import Iterator
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationInfo,
    field_validator,
)

from gristmill.util.urls import find_secret

URL_SCHEMES = ("https://", "http://")
LOCATION_SCHEMES = (*URL_SCHEMES, "package://")


def _as_list(given: Any) -> Any:
    if not isinstance(given, str | list | tuple):
        raise ValueError("a name, or an array of names")  # noqa: TRY004 - Pydantic tells of a ValueError
    return (given,) if isinstance(given, str) else tuple(given)


def _reachable(place: str) -> str:
    """Refuse a place of another scheme, and a secret in a URL: both would be written into records and messages."""
    if "://" in place and not place.startswith(LOCATION_SCHEMES):
        raise ValueError(f"a path, or a place that begins with {', '.join(LOCATION_SCHEMES)}")
    if secret := find_secret(place):
        raise ValueError(f"a URL without {secret}, for it is shown and kept; or fetch the file and give its path")
    return place


def _within(path: str, otherwise: str) -> str:
    """Refuse a path that leads out of the project's folder."""
    if "://" in path or path.startswith(("/", "~")) or ".." in path.split("/"):
        raise ValueError(f"a path within the project; {otherwise}")
    return path


def _as_pair(given: Any) -> Any:
    return (given, given) if isinstance(given, int) else tuple(given) if isinstance(given, list) else given


def check_store_location(place: str) -> str:
    """Return where a store is that machines share: a URL, or a path within the project.

    Raises:
        ValueError: neither; or a secret in the URL, which would be shown.
    """
    if "://" not in place:
        return _within(place, "GRISTMILL_STORE may name one elsewhere")
    if secret := find_secret(place):
        raise ValueError(f"a URL without {secret}, which the environment gives (AWS_ACCESS_KEY_ID and the like)")
    if place.startswith(("file://", "local://", "memory://", *URL_SCHEMES)) or not place.partition("://")[2].strip("/"):
        raise ValueError("a path, or a URL that machines share, such as s3://bucket/prefix")
    return place


class _LocationMark:
    """Marks a field that says where data lies."""


class _DigestMark:
    """Marks a field that says what the bytes at a place hash to."""


class _ColumnMark:
    """Marks a field that names columns of the data."""


class _SaidMark:
    """Marks a field that messages alone need."""


SourceLocation = Annotated[str, AfterValidator(_reachable), _LocationMark()]
"""A file, a folder, a pattern, `package://` or a URL; `locations.py` says how it is sought.

Where data lies cannot change a result, so a place is left out of the key; the bytes found there are in it.
"""

StoreLocation = Annotated[str, AfterValidator(check_store_location)]
"""A store that belongs to the project, or one that machines share."""

CacheFolder = Annotated[str, AfterValidator(partial(_within, otherwise="GRISTMILL_CACHE may name one elsewhere"))]
"""A folder of the project for what a shared store holds."""

CodeFile = Annotated[str, AfterValidator(partial(_within, otherwise="copy the file into it")), _LocationMark()]
"""A file of code: what is run lies in the project."""

Digest = Annotated[str | None, Field(pattern="^[0-9a-f]{64}$", validate_default=True), _DigestMark()]
"""The SHA-256 that the bytes at a place must have."""
MessageText = Annotated[str, _SaidMark()]
"""What messages say; no result depends on it, so it is left out of the key."""

Column = Annotated[str, _ColumnMark()]
OptionalColumn = Annotated[str | None, _ColumnMark()]
Columns = Annotated[tuple[str, ...], BeforeValidator(_as_list, json_schema_input_type=str | list[str]), _ColumnMark()]
"""One name of a column, or a list of them."""

Pair = Annotated[
    tuple[PositiveInt, PositiveInt],
    BeforeValidator(_as_pair, json_schema_input_type=PositiveInt | tuple[PositiveInt, PositiveInt]),
]
"""Two numbers, or one that stands for both."""

Sizes = Annotated[tuple[PositiveInt, ...], Field(strict=False)]
Share = Annotated[float, Field(gt=0, lt=1)]
AnyShare = Annotated[float, Field(ge=0, le=1)]


class Settings(BaseModel):
    """One table of `pipelines.toml`."""

    words: ClassVar[tuple[str, ...]] = ()  # that may stand where a place does, and name none

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Files(Settings):
    """A source that reads files."""

    suffixes: ClassVar[tuple[str, ...]] = ("",)  # of the files that count in a folder, in lower case

    path: SourceLocation  # a file, a folder of files, a pattern such as "2024-*.csv", package://NAME/file or a URL
    sha256: Digest = None  # of the file; needed for one at a URL

    @field_validator("sha256")
    @classmethod
    def _is_given_for_a_url(cls, sha256: str | None, info: ValidationInfo) -> str | None:
        if sha256 is None and str(info.data.get("path", "")).startswith(URL_SCHEMES):
            raise ValueError("64 hexadecimal digits, as sha256sum prints them, since path is a URL")
        return sha256


class Fit(Settings):
    """How any network is trained, whatever the domain."""

    epochs: PositiveInt = 50  # at most; all of them where `patience` is not set
    patience: PositiveInt | None = None  # epochs without a better validation loss before stopping
    batch_size: PositiveInt = 64  # examples of an update
    optimizer: Literal["adam", "sgd", "rmsprop"] = "adam"  # with Keras's own settings but the learning rate
    learning_rate: PositiveFloat | Literal["find"] = 1e-3  # at the start; "find" takes it from a range test
    schedule: Literal["cosine", "constant", "sweep"] = "cosine"  # to zero, the same, or tenfold every 20 epochs
    clip_norm: PositiveFloat | Literal["none"] = 1.0  # global gradient norm; keeps recurrent nets from exploding
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42  # of the initial weights, dropout and the order of batches
    strategy: Literal["one", "mirrored"] = "one"  # device; or all, each of which learns from a part of every batch
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"  # mixed: inner layers in 16 bits

    @field_validator("schedule")
    @classmethod
    def _one_search_at_a_time(cls, schedule: str, info: ValidationInfo) -> str:
        if schedule == "sweep" and info.data.get("learning_rate") == "find":
            raise ValueError('"cosine" or "constant" beside learning_rate = "find"; a sweep starts at a number')
        return schedule


def locations(table: Settings) -> Iterator[tuple[str, str]]:
    """Yield (field, place) for every field of `table` that says where data lies."""
    for name in _marked(type(table), _LocationMark):
        if getattr(table, name) not in table.words:
            yield name, getattr(table, name)


def columns(table: Settings) -> Iterator[tuple[str, str]]:
    """Yield (field, column) for every column that `table` names."""
    for name in _marked(type(table), _ColumnMark):
        given = getattr(table, name)
        yield from ((name, column) for column in ((given,) if isinstance(given, str) else given or ()))


def identity_values(table: Settings) -> dict[str, object]:
    """Return the values of `table` that can change a result: all but its places, whose bytes are hashed themselves."""
    unhashed = {*_marked(type(table), _DigestMark, _SaidMark), *(name for name, _ in locations(table))}
    return table.model_dump(mode="json", exclude=unhashed)


def _marked(table: type[Settings], *marks: type) -> Iterator[str]:
    """Yield the fields that bear one of the marks."""
    for name, field in table.model_fields.items():
        if any(isinstance(mark, marks) for mark in field.metadata):
            yield name
