"""The domain is that of the files, and of what the columns of a table hold."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gristmill.errors import DataError
from gristmill.scaffold.choose_domain import choose_domain, propose
from gristmill.scaffold.data import data_at

DAYS = [f"{day:%Y-%m-%d}" for day in pd.date_range("2024-01-01", periods=60)]
TALK = ["not a good film at all, I left", "the best evening of the whole year", "it was long, and then longer"]


def choice(tmp_path: Path, target: str | None = None, **columns: object) -> tuple[str, str]:
    pd.DataFrame(columns).to_csv(tmp_path / "given.csv", index=False)
    return choose_domain(data_at(str(tmp_path / "given.csv"), tmp_path / "project"), target)


def write(tmp_path: Path, *places: str) -> tuple[str, str]:
    for place in places:
        (tmp_path / "in" / place).parent.mkdir(parents=True, exist_ok=True)
        if place.endswith(".png"):
            Image.new("L", (4, 4)).save(tmp_path / "in" / place)
        else:
            (tmp_path / "in" / place).write_text("Some words.")
    return choose_domain(data_at(str(tmp_path / "in"), tmp_path / "project"))


@pytest.mark.parametrize(
    ("places", "chosen"),
    [
        (["cat/1.png", "dog/1.png"], ("vision", "2 photos")),
        (["good/1.txt", "good/2.txt", "bad/1.txt"], ("text", "3 texts, in a folder for each class")),
        (["1.txt", "2.txt"], ("generation", "2 texts without classes")),
        (["book.txt"], ("generation", "plain text without classes")),
    ],
)
def test_files_say_their_domain(tmp_path: Path, places: list[str], chosen: tuple[str, str]) -> None:
    assert write(tmp_path, *places) == chosen


def test_regular_times_are_series(tmp_path: Path) -> None:
    assert choice(tmp_path, day=DAYS, sold=range(60)) == ("timeseries", "times in 'day'")
    shops = {"day": DAYS * 4, "shop": np.repeat(["a", "b"], 120), "item": np.repeat([1, 2, 1, 2], 60)}
    assert choice(tmp_path, **shops, sold=range(240))[0] == "timeseries"


def test_a_requested_target_decides(tmp_path: Path) -> None:
    days = {"day": DAYS, "sold": range(60), "late": ["yes", "no"] * 30}
    assert choice(tmp_path, "late", **days) == ("tabular", "'late' holds classes")
    assert choice(tmp_path, "late", **days | {"late": [1, 0] * 30}) == ("tabular", "'late' holds classes")
    assert choice(tmp_path, "sold", **days)[0] == "timeseries"
    reviews = {"review": [f"{text} {at}" for at, text in enumerate(TALK * 20)], "stars": [1, 2] * 30}
    assert choice(tmp_path, "stars", **reviews)[0] == "text"
    assert choice(tmp_path, "votes", **reviews, votes=np.arange(60) % 31)[0] == "tabular"


RANDOM = np.random.default_rng(2)
SPREAD = pd.to_datetime("2000-01-01") + pd.to_timedelta(np.arange(60) ** 2, "D")


@pytest.mark.parametrize(
    ("days", "why"),
    [
        (np.array(DAYS)[RANDOM.integers(0, 60, 60)], "the times in 'day' repeat, and no column"),
        ([f"{day:%Y-%m-%d}" for day in SPREAD], "the times in 'day' have no regular distance: check the domain"),
        (range(60), "no column holds times"),
    ],
)
def test_times_of_events_are_a_table(tmp_path: Path, days: object, why: str) -> None:
    name = "id" if isinstance(days, range) else "day"
    domain, found = choice(tmp_path, **{name: days}, paid=np.random.default_rng(1).normal(size=60))

    assert (domain, found[: len(why)]) == ("tabular", why)


def test_repeated_times_in_order_and_names_like_years_are_a_warning(tmp_path: Path) -> None:
    size = RANDOM.normal(size=60)
    in_order = choice(tmp_path, year=np.repeat(range(2000, 2020), 3), size=size)
    shuffled = choice(tmp_path, year=np.tile(range(2000, 2020), 3), size=size)
    wide = choice(tmp_path, town=[f"t{at}" for at in range(60)], **{str(year): size for year in range(1990, 2010)})

    repeat = "the times in 'year' repeat, and no column names the series"
    assert (in_order[1], shuffled[1]) == (f"{repeat}: check the domain", repeat)
    assert wide[1].startswith("no column holds times, but '1990' to '2009' are named like years: check the domain. A")
    assert wide[1].endswith("frame.melt(['town'], var_name='year', value_name='value')")


def test_times_that_cannot_be_read_are_named_and_no_text_feature(tmp_path: Path) -> None:
    months = [f"{name} {year}" for year in range(2012, 2020) for name in ("Januar", "Mai", "Juni", "Oktober")]
    made = {"zeitpunkt": months, "size": RANDOM.normal(size=32), "sold": RANDOM.normal(size=32)}
    (tmp_path / "t.csv").write_text(pd.DataFrame(made).to_csv(index=False))
    proposal = propose(data_at(str(tmp_path / "t.csv"), tmp_path), None, None, {})

    assert proposal.why == "no column holds times that can be read, but 'zeitpunkt' is named like one: check the domain"
    assert "texts" not in proposal.values()["ingest"]
    assert any("'zeitpunkt'" in note and "with English names of months" in note for note in proposal.notes)


def test_events_of_many_users_are_a_table(tmp_path: Path) -> None:
    times = pd.to_datetime("2020-01-01") + pd.to_timedelta(np.sort(RANDOM.integers(0, 10**7, 500)), "s")
    events = {"time": times.astype("str"), "user": RANDOM.integers(0, 40, 500), "paid": RANDOM.normal(size=500)}

    assert choice(tmp_path, **events) == ("tabular", "the times in 'time' have no regular distance: check the domain")


def test_panels_that_cannot_be_forecast_are_a_table(tmp_path: Path) -> None:
    years, people = np.tile(np.arange(1980, 1988), 20), np.repeat([f"p{at}" for at in range(20)], 8)
    assert choice(tmp_path, year=years, person=people, pay=RANDOM.normal(size=160)) == (
        "tabular",
        "only 8 times in 'year', and a forecast needs 12: check the domain",
    )
    drawn = [np.sort(RANDOM.choice(60, 12, replace=False)) for _ in range(20)]
    days = np.concatenate([np.array(DAYS)[at] for at in drawn])
    teams = np.repeat([f"t{at}" for at in range(20)], 12)
    domain, why = choice(tmp_path, day=days, team=teams, goals=RANDOM.integers(0, 6, 240))
    assert (domain, why) == ("tabular", "the times in 'day' have no regular distance in each series: check the domain")


@pytest.mark.parametrize("years", [[f"{year}.0" for year in range(1950, 2010)], range(-59, 1)])
def test_years_are_times_beside_row_numbers(tmp_path: Path, years: Iterable[object]) -> None:
    domain, why = choice(tmp_path, obs=range(1, 61), time=years, level=RANDOM.normal(size=60))
    assert (domain, why) == ("timeseries", "times in 'time'")


def test_a_bad_cell_among_times_is_named_rather_than_the_table_taken_for_cases(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"row 9, column 'day': 'soon' among times.* use --domain tabular\.$"):
        choice(tmp_path, day=[*DAYS[:7], "soon", *DAYS[8:]], sold=range(60))


def test_texts_with_classes_are_texts(tmp_path: Path) -> None:
    talk = [f"{text} {at}" for at in range(30) for text in TALK[:2]]

    assert choice(tmp_path, review=talk, liked=[0, 1] * 30) == ("text", "'review' holds texts, 'liked' 2 classes")
    assert choice(tmp_path, review=talk, price=np.arange(60) ** 2)[0] == "tabular"  # no classes
    numbers = {name: RANDOM.normal(size=60) for name in ("age", "fare", "children", "parents")}
    assert choice(tmp_path, name=talk, survived=[0, 1] * 30, **numbers)[0] == "tabular"  # one column of many


def test_names_of_photos_and_pixels_are_vision(tmp_path: Path) -> None:
    assert choice(tmp_path, image=["a.png", "b.png"], label=["x", "y"]) == ("vision", "'image' names photos")
    assert choice(tmp_path, image=["a.png"] * 9 + ["../passwd"], label=["x", "y"] * 5)[0] == "vision"
    assert choice(tmp_path, image=["a.png"] * 19 + [""], label=["x", "y"] * 10)[0] != "vision"
    pixels = {f"pixel{at}": [0, 1] for at in range(16)}
    assert choice(tmp_path, label=[1, 2], **pixels) == ("vision", "a column for each pixel")
