"""Worker processes that run units of work, on this machine or on a Dask cluster."""
