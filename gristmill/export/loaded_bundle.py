"""A bundle with verified hashes whose models are loaded once, when they are first needed, and kept.

TensorFlow is loaded with the first model, after the data and the options of a request have been read and checked.
"""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gristmill.errors import RequestError
from gristmill.export.bundle import Wrap, import_required_ops, load
from gristmill.export.formats import FORMATS, Outputs, Predictor, open_keras, open_saved_model, outputs_of
from gristmill.export.kit import REQUEST, answer_sample
from gristmill.training.keras_backend import import_keras
from gristmill.util.table_io import read_document

if TYPE_CHECKING:
    import keras


class LoadedBundle:
    """A bundle: its path, signature and models.

    `wrap` is applied to each function from raw inputs to outputs, for example to merge concurrent calls.
    """

    def __init__(self, path: Path, wrap: Wrap = lambda outputs: outputs) -> None:
        self.path, self._wrap = path, wrap
        self._outputs: dict[str, Outputs] = {}
        self._predictor: Predictor | None = None

    @cached_property
    def signature(self) -> dict[str, Any]:
        """Content of `signature.json`."""
        content: dict[str, Any] = read_document(self.path / "signature.json")
        return content

    @cached_property
    def saved_model(self) -> Any:
        """The SavedModel as TensorFlow loads it.

        Raises:
            RequestError: its graph needs an extra that is not installed.
        """
        import_keras()
        import_required_ops(self.path)
        return open_saved_model(self.path / FORMATS["saved_model"].path)

    @cached_property
    def network(self) -> "keras.Model":
        """Return the network of Keras, whose layers can be called one by one.

        Raises:
            RequestError: the bundle was exported without the format "keras".
        """
        if "keras" not in self.signature["formats"]:
            listed = ", ".join(self.signature["formats"])
            raise RequestError(
                f"--explain needs the model in the format keras. Exported: {listed}. Add it to export.formats, and run."
            )
        import_keras()
        return open_keras(self.path / FORMATS["keras"].path)

    def predictor(self) -> Predictor:
        """Return the function from raw inputs to predictions by the bundle's first format.

        Raises:
            RequestError: the model's graph needs an extra that is not installed.
        """
        if self._predictor is None:
            import_keras()
            self._predictor = load(self.path, wrap=self._wrap)
        return self._predictor

    def load(self) -> None:
        """Load the models now, so that no request waits for them, and answer the sample request if there is one.

        Raises:
            CorruptArtifact: a model cannot be loaded, or does not answer.
            RequestError: its graph needs an extra that is not installed.
        """
        import_keras()
        from gristmill.training.saved_network import translate_load_errors  # late: it imports TensorFlow

        with translate_load_errors(self.path, "export"):
            if "saved_model" in self.signature["formats"]:
                signatures = self.saved_model.signatures
                if (self.path / REQUEST).exists():
                    answer_sample(self.path, signatures)
            self.predictor()

    def outputs(self, signature: str) -> Outputs:
        """Return the function from raw inputs to all outputs of a signature of the SavedModel, by name."""
        if signature not in self._outputs:
            self._outputs[signature] = self._wrap(outputs_of(self.saved_model, signature))
        return self._outputs[signature]
