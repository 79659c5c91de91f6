"""The command line: the app, its options, output and commands."""
