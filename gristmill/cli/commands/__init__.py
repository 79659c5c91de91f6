"""Commands of the command line that have more to do than to call `Project`, a module for each subject."""
