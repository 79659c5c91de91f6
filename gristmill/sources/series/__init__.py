"""Where time series come from that are no table of the user's, one file a kind."""
