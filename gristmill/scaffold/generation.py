"""Proposal for plain texts without classes: a network that continues them."""

from gristmill.errors import DataError
from gristmill.scaffold.data import Data
from gristmill.scaffold.file_format import encoding_guesses, encoding_of
from gristmill.scaffold.proposal import NO_OPTIONS, ForecastOptions, Guess, Proposal
from gristmill.scaffold.shared_guesses import auto_guesses
from gristmill.scaffold.target_column import check_no_target
from gristmill.sources.documents.files import TextFiles
from gristmill.sources.file_content import read_bytes

_MIN_CHARACTERS = 5_000


def propose(data: Data, target: str | None = None, options: ForecastOptions = NO_OPTIONS) -> Proposal:
    """Return a pipeline that writes character by character; raise `DataError` if there is too little text."""
    options.refuse()
    check_no_target(target, "a network learns to continue the texts")
    files = data.files(TextFiles.suffixes)
    contents = {path: read_bytes(path) for path in files}
    encoding = encoding_of(contents)
    characters = sum(len(content.decode(encoding)) for content in contents.values())
    if characters < _MIN_CHARACTERS:
        raise DataError(
            f"{data.place}: {characters:,} characters are too few to learn from. Expected {_MIN_CHARACTERS:,}."
        )
    length, why = 50 if characters < 100_000 else 100, 'characters that the network sees; level = "word" for words'
    tables = {
        "source": [*data.source_guesses("files", "plain texts"), *encoding_guesses(encoding)],
        "preprocess": [
            Guess("length", length, why),
            Guess("validation", 0.1, "of the text: used to choose the model"),
            Guess("test", 0.1, "of the text, its end: used only for the scores"),
        ],
        "model": auto_guesses("generation"),
    }
    several = f" in {len(files)} files" if len(files) > 1 else ""
    return Proposal("generation", f"{data.name}: {characters:,} characters{several}", tables)
