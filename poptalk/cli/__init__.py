"""The command line: `options` is the table of all options, `parser` reads it, `main` has the commands.

A piped session is a whole process, so it pays for what it uses: the table and the parser are loaded
where there is an option to parse, and each command imports what it needs when it runs.
"""

from poptalk.cli.main import main

__all__ = ["main"]
