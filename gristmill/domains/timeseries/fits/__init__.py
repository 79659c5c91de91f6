"""How each kind of forecaster is fitted and built as a network."""
