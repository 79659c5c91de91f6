"""Model of the rows of a table: a network from raw values to predictions."""

from gristmill.domains.common.trained_model import NetworkModel
from gristmill.domains.tabular.dataset import Inputs, Values
from gristmill.domains.tabular.encoder import predict_target


class RowModel(NetworkModel):
    """A network that predicts a number, or a probability of each class."""

    def predict(self, examples: Inputs) -> Values:
        """Return the predictions of rows: numbers (rows,), or probabilities (rows, classes)."""
        return predict_target(self.network, examples)
