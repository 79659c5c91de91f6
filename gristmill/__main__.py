"""Entry point of the command line: `gristmill`, or `python -m gristmill`."""

from gristmill.cli.known_answer import answer_file, print_known_answer


def main() -> None:
    """Run the command line; garbage collection is off during start-up and exit."""
    path = answer_file()
    if path and print_known_answer(path):
        return
    import contextlib  # late, as all that follows: a command with a known answer takes less time than these imports
    import gc
    import sys

    from gristmill.util.gc_freeze import gc_frozen

    try:
        with gc_frozen():
            from gristmill.cli import app
            from gristmill.cli.observation import observed
    except KeyboardInterrupt:  # Ctrl-C while modules are loaded; later `app.main` handles it
        sys.exit(130)
    try:
        with observed(path) if path else contextlib.nullcontext():
            app.main()
    finally:
        gc.freeze()


if __name__ == "__main__":
    main()
