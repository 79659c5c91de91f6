"""Commands of the command line, by subject; short ones are in `gristmill.cli.app`."""
