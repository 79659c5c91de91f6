"""Wide runs: units of work spread over processes, of this machine or of a Dask cluster."""
