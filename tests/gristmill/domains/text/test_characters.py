"""Characters are code points, and a text comes back as it was."""

import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.domains.text import tokenizer
from gristmill.domains.text.settings import TokenSettings
from gristmill.domains.text.tokenizer import Characters, Rules

AS_IT_IS = Rules("character", lower=False, punctuation="separate", lines=True)


@settings(max_examples=50)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=3))
def test_a_text_comes_back_as_it_was(texts: list[str]) -> None:
    made = Characters(["", "[UNK]", *dict.fromkeys("".join(texts))], AS_IT_IS)

    back = made.decode(made.encode(tf.constant(texts)).to_tensor())

    assert [text.decode() for text in back.numpy()] == texts


def test_the_most_frequent_are_kept_and_others_unknown() -> None:
    made = tokenizer.fit(["zzbbaé\n"], TokenSettings(level="character", vocabulary=5, lower=False), lines=True)

    assert made.tokens == ["", "[UNK]", "b", "z", "\n"]
    assert made.encode(tf.constant(["zéb\nX", ""])).to_list() == [[3, 1, 2, 4, 1], []]
    assert made.decode(tf.constant([[3, 1, 2, 0]])).numpy()[0].decode() == "z\N{REPLACEMENT CHARACTER}b"


def test_capitals_are_small_letters_where_the_rules_say_so() -> None:
    made = tokenizer.fit(["ÄäbB"], TokenSettings(level="character"))

    assert made.tokens == ["", "[UNK]", "b", "ä"]
