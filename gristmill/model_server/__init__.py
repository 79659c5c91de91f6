"""HTTP server of the champions: `gristmill serve`."""
