"""Tables: train and test a model that predicts one column, a number or a class, from others."""
