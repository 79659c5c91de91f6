"""The tests of `gristmill check`: whether a network learns and trains reproducibly."""
