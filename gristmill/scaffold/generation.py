"""A look at plain texts without classes: a network is to learn to go on with them."""

from gristmill.errors import DataError
from gristmill.scaffold.data import Data
from gristmill.scaffold.encodings import encoding_guesses, encoding_of
from gristmill.scaffold.proposal import Guess, Proposal
from gristmill.scaffold.training_defaults import pace
from gristmill.sources.packed import read_bytes
from gristmill.sources.writings.files import TextFiles

_LEAST = 5_000  # characters
_SCARCE = 100_000  # characters: below, a smaller network


def propose(data: Data) -> Proposal:
    """Return a pipeline that writes on, character by character.

    Raises:
        DataError: there is too little text.
    """
    files = data.files(TextFiles.suffixes)
    contents = [read_bytes(path) for path in files]
    encoding = encoding_of(files[0], contents)
    characters = sum(len(content.decode(encoding)) for content in contents)
    if characters < _LEAST:
        raise DataError(f"{data.place}: {characters:,} characters are too few to learn from. Expected {_LEAST:,}.")
    scarce = characters < _SCARCE
    learns = f"for {characters:,} characters"
    tables = {
        "source": [
            Guess("kind", "files", "plain texts"),
            Guess("path", data.written, data.warning),
            *encoding_guesses(encoding),
        ],
        "preprocess": [
            Guess("length", 50 if scarce else 100, 'characters that the network sees; level = "word" for words'),
            Guess("validation", 0.1, "of the text: the epoch is chosen on it"),
            Guess("test", 0.1, "of the text, its end: scored, never learnt from"),
        ],
        "model": [Guess("kind", "gru", "or lstm"), Guess("recurrent", [64] if scarce else [128], learns)],
        "train": [
            Guess("epochs", 20 if scarce else 5, "more of them write better"),
            *pace(32, 4e-3),
        ],
    }
    notes = ["There are no classes to sort these texts into, so the domain is `generation`: to go on writing."]
    several = f" in {len(files)} files" if len(files) > 1 else ""
    return Proposal("generation", f"{data.called}: {characters:,} characters{several}", tables, notes)
