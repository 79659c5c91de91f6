"""Time series: train and test forecasters on windows of ordered values."""
