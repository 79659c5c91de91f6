"""The tests of `gristmill check`: whether a network learns, and the ML Test Score."""
