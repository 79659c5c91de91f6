"""Training as it goes, where there is no terminal."""

import logging

import pytest

from gristmill import bar, progress, screen
from gristmill.progress import Epoch


@pytest.mark.parametrize(
    ("of", "told"), [(1, [1]), (3, [1, 2, 3]), (25, [1, *range(2, 25, 2), 25]), (100, [1, *range(10, 101, 10)])]
)
def test_without_a_terminal_training_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, of: int, told: list[int]
) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    screen.set_up(logging.INFO, debug=False)
    with bar.epochs():
        for number in range(1, of + 1):
            progress.tell("small", Epoch(number, of, 0.5, 0.25 if number > 1 else None))
    out, err = capsys.readouterr()
    assert out == ""
    assert [int(line.split()[2]) for line in err.splitlines()] == told
    assert err.splitlines()[0] == f"train      epoch 1 of {of}, loss 0.5"
    assert all(line.endswith("loss 0.5, validation 0.25") for line in err.splitlines()[1:])
