"""`python -m poptalk`, and the command `poptalk`."""

import sys


def main() -> int:
    """Run poptalk; Ctrl-C ends it quietly even while it is being imported.

    Returns:
        The exit code.
    """
    try:
        from poptalk import cli

        return cli.main()
    except KeyboardInterrupt:
        from poptalk.exit_codes import EXIT_INTERRUPTED

        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
