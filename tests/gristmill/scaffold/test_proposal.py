"""A draft as TOML: it reads back as it was, and each guess has its reason behind it."""

import tomllib
from pathlib import Path

import pytest

from gristmill.errors import DataError
from gristmill.scaffold.choose_domain import propose
from gristmill.scaffold.data import data_at
from gristmill.scaffold.proposal import Guess, Proposal, as_toml

SAMPLES = Path(__file__).parents[3] / "data/samples"
MESSY_FILES = [f"messy/{path.name}" for path in SAMPLES.glob("messy/*.csv")]

DRAFT = Proposal(
    "tabular",
    'price of "houses": 3 rows',
    {
        "source": [Guess("kind", "csv"), Guess("path", "in/C:\\häuser\t.csv", "as given")],
        "augment": [],
        "ingest": [
            Guess(
                "target",
                "price\nin €",
                "the last of 2 columns: " + "another could be it, " * 8,
            ),
            Guess("numbers", [f"column {at}" for at in range(40)], "with a\nline end"),
        ],
    },
    ["Not used: 'a\nb', which " + "tells nothing " * 20],
)


def test_a_draft_reads_back_as_it_was() -> None:
    read = tomllib.loads(as_toml("houses", DRAFT))

    assert read == {
        "pipelines": {
            "houses": {
                "domain": "tabular",
                "description": DRAFT.summary,
                "source": DRAFT.values()["source"],
                "ingest": DRAFT.values()["ingest"],
            }
        }
    }


def test_reasons_stand_beside_settings_in_lines_of_at_most_100_characters() -> None:
    text = as_toml("houses", DRAFT)

    assert 'kind = "csv"\n' in text
    assert "# the last of 2 columns: another could be it, " in text
    assert "numbers = [".ljust(26) + " # with a?line end\n" in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(
    "name", ["penguins.csv", "seattle-weather.csv", "sunspots.csv", "digits.npz", *sorted(MESSY_FILES)]
)
def test_each_reason_is_once_in_a_line_of_the_file(name: str) -> None:
    try:
        draft = propose(data_at(str(SAMPLES / name), SAMPLES / "project"), None, None, {})
    except DataError:
        return  # some of the messy files are refused
    text = as_toml("sample", draft)
    whys = filter(None, [draft.why, *(guess.why for guesses in draft.tables.values() for guess in guesses)])
    reasons = sorted("".join(letter if letter.isprintable() else "?" for letter in why) for why in whys)
    comments = [line.partition(" # ")[2] for line in text.splitlines() if not line.startswith("#")]

    assert max(map(len, text.splitlines())) <= 100
    assert sorted(filter(None, comments)) == reasons
    assert not any(reason in " ".join(draft.notes) for reason in reasons)
