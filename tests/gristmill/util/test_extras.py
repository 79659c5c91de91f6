"""Settings that need an extra of the package: what they depend on, and what is told where it is not installed."""

import sys
from dataclasses import dataclass
from importlib import metadata
from typing import ClassVar

import pytest

from gristmill.domains.common.classification.settings import Evaluate
from gristmill.domains.text.settings import Preprocess
from gristmill.domains.vision.settings import Export
from gristmill.errors import RequestError
from gristmill.util.extras import check_installed, libraries_of

ONNX = ("onnx", "onnxruntime", "tf2onnx")


@pytest.mark.parametrize(
    ("table", "libraries"),
    [
        (Export(formats=("saved_model", "keras")), ()),
        (Export(formats=("lite",)), ("ai-edge-litert",)),
        (Export(formats=("keras", "onnx")), ONNX),
        (Export(formats=("onnx", "lite")), ("ai-edge-litert", *ONNX)),
        (Preprocess(), ()),
        (Preprocess(level="subword"), ("sentencepiece", "tensorflow-text")),
        (Evaluate(), ()),
    ],
)
def test_a_setting_depends_on_what_its_extra_installs(table: object, libraries: tuple[str, ...]) -> None:
    assert libraries_of([Evaluate(), table]) == libraries
    assert all(metadata.version(library) for library in libraries)
    check_installed([Evaluate(), table])


@pytest.mark.parametrize(
    ("table", "key", "extra", "module"),
    [
        (Export(formats=("keras", "lite")), "export.formats: 'lite'", "lite", "ai_edge_litert"),
        *((Export(formats=("keras", "onnx")), "export.formats: 'onnx'", "onnx", module) for module in ONNX),
        (Preprocess(level="subword"), "preprocess.level: 'subword'", "subwords", "sentencepiece"),
        (Preprocess(level="subword"), "preprocess.level: 'subword'", "subwords", "tensorflow_text"),
    ],
)
def test_what_is_not_installed_is_told(
    monkeypatch: pytest.MonkeyPatch, table: object, key: str, extra: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(RequestError) as refused:
        check_installed([Evaluate(), table])

    assert str(refused.value) == f"{key} needs {module}, which is not installed. Run: pip install 'gristmill[{extra}]'."


def test_a_kind_depends_on_the_distributions_that_it_names() -> None:
    @dataclass
    class Kind:
        libraries: ClassVar[tuple[str, ...]] = ("lightgbm",)

    assert libraries_of([Kind(), Export(formats=("lite",))]) == ("ai-edge-litert", "lightgbm")
