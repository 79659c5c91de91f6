"""A draft as TOML: it reads back as it was, and each guess has its reason behind it."""

import tomllib

from gristmill.scaffold.proposal import Guess, Proposal, as_toml

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


def test_reasons_stand_behind_settings_and_lines_stay_short() -> None:
    text = as_toml("houses", DRAFT)

    assert 'kind = "csv"\n' in text
    assert 'target = "price\\nin €"'.ljust(26) + " # the last of 2 columns: another could be it, " in text
    assert "numbers = [".ljust(26) + " # with a?line end\n" in text
    assert "\n" + " " * 26 + " # " in text  # and the comment goes on below
    assert max(map(len, text.splitlines())) <= 80
