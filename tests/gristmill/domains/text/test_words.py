"""Words are what a reader would call so, whatever the alphabet, and the same as a slow loop in Python finds."""

import unicodedata
from dataclasses import replace

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from gristmill.domains.text import tokenizer
from gristmill.domains.text.settings import TokenSettings
from gristmill.domains.text.tokenizer import Rules, Words

STRIP = Rules("word", lower=True, punctuation="strip", lines=False)
WRITTEN = Rules("word", lower=False, punctuation="separate", lines=True)
SYMBOLS = "$+<=>^`|~"
SPACES = "\t\n\v\f\r \x85\xa0\u2003\u2028\u3000"
ALPHABET = st.sampled_from([*"aBé'’.!$-(_)1😀Ж", *SPACES])


def split(text: str, rules: Rules) -> list[str]:
    return [word.decode() for word in Words.split(tf.constant([text]), rules)[0].numpy()]


def slowly(text: str, punctuation: str) -> list[str]:
    """Cut a text character by character."""
    text = text.lower() if punctuation == "keep" else text.lower().replace("’", "'")
    made = [""]
    for at, letter in enumerate(text):
        mark = letter in SYMBOLS or unicodedata.category(letter).startswith("P")
        inside = letter == "'" and all(
            0 <= beside < len(text)
            and text[beside] not in SPACES + SYMBOLS
            and not unicodedata.category(text[beside]).startswith("P")
            for beside in (at - 1, at + 1)
        )
        if letter in SPACES:
            made.append("")
        elif not mark or inside or punctuation == "keep":
            made[-1] += letter
        else:
            made += [letter, ""] if punctuation == "separate" else [""]
    return [word for word in made if word]


@pytest.mark.parametrize(
    ("punctuation", "expected"),
    [
        ("strip", ["don't", "listen"]),
        ("separate", ["don't", "listen", "!"]),
        ("keep", ["don't", "listen!"]),
    ],
)
def test_the_example_of_the_documentation(punctuation: str, expected: list[str]) -> None:
    assert split("Don't LISTEN!", replace(STRIP, punctuation=punctuation)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ÄÖ Привет ΣΑΣ", ["äö", "привет", "σας"]),
        ("don’t ‘quoted’ rock'n'roll", ["don't", "quoted", "rock'n'roll"]),
        ("x' 'y '' z", ["x", "y", "z"]),
        ("one—two;three...four", ["one", "two", "three", "four"]),
        ("good 😀! a+b", ["good", "😀", "a", "b"]),
        ("a\0The end", ["a", "the", "end"]),
        ("", []),
        ("  !? ' ", []),
    ],
)
def test_punctuation_goes_but_for_apostrophes_inside_words(text: str, expected: list[str]) -> None:
    assert split(text, STRIP) == expected


@pytest.mark.parametrize("punctuation", ["strip", "separate", "keep"])
@given(text=st.text(ALPHABET, max_size=20))
def test_words_are_those_of_a_slow_loop(punctuation: str, text: str) -> None:
    assert split(text, replace(STRIP, punctuation=punctuation)) == slowly(text, punctuation)


def test_capitals_stay_where_the_rules_say_so() -> None:
    assert split("LISTEN to Me", replace(STRIP, lower=False)) == ["LISTEN", "to", "Me"]


@pytest.mark.parametrize("punctuation", ["strip", "separate", "keep"])
def test_line_ends_are_words_where_they_are_to_be_written(punctuation: str) -> None:
    settings = TokenSettings.model_validate({"punctuation": punctuation})
    made = tokenizer.fit(["a b\n\nb a\n"], settings, lines=True)

    assert made.tokens == ["", "[UNK]", "\n", "a", "b"]
    assert made.encode(tf.constant(["b\n a"])).to_list() == [[4, 2, 3]]
    assert made.decode(tf.constant([[4, 2, 3]])).numpy().tolist() == [b"b\na"]


def test_what_stands_for_a_line_end_is_a_space_in_a_text() -> None:
    assert split("a\x1eb\nc", WRITTEN) == ["a", "b", "\x1e", "c"]


def test_the_most_frequent_words_are_kept_and_of_equals_those_that_sort_first() -> None:
    made = tokenizer.fit(["d c b", "b d a", "é d"], TokenSettings(vocabulary=5))

    assert made.tokens == ["", "[UNK]", "d", "b", "a"]
    assert made.encode(tf.constant(["a b c d", ""])).to_list() == [[4, 3, 1, 2], []]


def test_written_words_stand_as_a_reader_expects_them() -> None:
    text = "Well, (you) said: “no” – don't! Is it?"
    made = Words(["", "[UNK]", *dict.fromkeys(split(text, WRITTEN))], WRITTEN)

    ids = made.encode(tf.constant([text, "well"])).to_tensor()

    assert [one.decode() for one in made.decode(ids).numpy()] == [text, "[UNK]"]
