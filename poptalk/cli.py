"""The commands: each is a function that takes parsed arguments and returns an exit code.

A piped session is a whole process, so nothing heavy is imported at the top: the parser of one command
is made when that command is asked for, and where there are no options not even that; and what a
command needs is imported inside it.
"""

from __future__ import annotations

import os
import sys

from poptalk import __version__
from poptalk.shell.options import ConnectOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from typing import Any

    from poptalk.shell.destination import Destination
    from poptalk.terminal.screen import ScreenClosed

EXIT_OK = 0
EXIT_NO = 1
"""The answer is no: -ERR in a piped session, a mismatch, a failed check."""
EXIT_USAGE = 2
EXIT_CANNOT_CONNECT = 3
EXIT_TLS = 4
EXIT_CONNECTION_LOST = 5
EXIT_INTERRUPTED = 130
"""128 and the number of SIGINT, as shells have it."""

EXIT_CODES = f"""\
exit codes:
  {EXIT_OK}    all well
  {EXIT_NO}    the answer is no (-ERR in a piped session)
  {EXIT_USAGE}    the command line is wrong
  {EXIT_CANNOT_CONNECT}    cannot connect (name, refused, time-out)
  {EXIT_TLS}    TLS or certificate
  {EXIT_CONNECTION_LOST}    connection lost in mid-session
  {EXIT_INTERRUPTED}  interrupted with Ctrl-C
"""

DESCRIPTION = (
    "A Telnet-style raw protocol teaching shell for POP3: what you type goes to the server as it is, "
    "and what the server says comes back coloured and, on request, explained."
)

DEFAULT_COLUMNS = 80
"""Width of the help where no terminal says how wide it is."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run poptalk.

    Args:
        arguments: the command line without the program's name; None takes the process's own.

    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] and words[0] in ("-h", "--help", "--version"):
        build_parser().parse_args(words)
    name = words.pop(0) if words[:1] and words[0] in COMMANDS else "connect"
    try:
        if name == "connect" and not any(word.startswith("-") for word in words):
            return run_connect(ConnectOptions(target=words))
        return _parse_and_run(name, words)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _parse_and_run(name: str, words: Sequence[str]) -> int:
    from argparse import ArgumentParser

    command = COMMANDS[name]
    parser = ArgumentParser(prog=f"poptalk {name}", **command.texts())
    command.add_arguments(parser)
    # Intermixed: `HOST --tls PORT` is understood as well.
    return command.run(parser.parse_intermixed_args(words))


def build_parser() -> argparse.ArgumentParser:
    """Make the parser of all commands: for `--help`, the man page and the shell completions."""
    from argparse import ArgumentParser

    parser = ArgumentParser(
        prog="poptalk",
        usage="poptalk [HOST [PORT] | URL] [options]\n       poptalk COMMAND ...",
        description=DESCRIPTION,
        epilog=(
            "Without a command, connect is meant; without a target it opens the practice server.\n"
            "Try: poptalk, then USER bob, PASS jones, LIST, RETR 3, QUIT.\n\n" + EXIT_CODES
        ),
        formatter_class=help_formatter,
    )
    parser.add_argument("--version", action="version", version=f"poptalk {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, command in COMMANDS.items():
        command.add_arguments(commands.add_parser(name, help=command.summary, **command.texts()))
    return parser


def help_formatter(prog: str) -> argparse.HelpFormatter:
    """Make a formatter of the terminal's width, which is found without shutil.

    argparse makes one for each argument that is added, whether help is asked for or not, and shutil
    brings zlib, bz2 and lzma: to import them costs a piped session a tenth of its time.
    """
    from argparse import RawDescriptionHelpFormatter

    return RawDescriptionHelpFormatter(prog, width=_columns() - 2)


def _columns() -> int:
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size().columns or DEFAULT_COLUMNS
    except (OSError, ValueError):
        return DEFAULT_COLUMNS


class Command:
    """A command of the command line."""

    def __init__(
        self,
        *,
        summary: str,
        example: str,
        add_arguments: Callable[[argparse.ArgumentParser], None],
        run: Callable[[argparse.Namespace], int],
    ) -> None:
        """Describe a command.

        Args:
            summary: one line.
            example: command lines that work.
            add_arguments: adds its arguments to a parser.
            run: carries it out and returns the exit code.
        """
        self.summary = summary
        self.example = example
        self.add_arguments = add_arguments
        self.run = run

    def texts(self) -> dict[str, Any]:
        """Give what a parser says of the command."""
        return {
            "description": f"{self.summary[:1].upper()}{self.summary[1:]}.",
            "epilog": f"example:\n{self.example}\n{EXIT_CODES}",
            "formatter_class": help_formatter,
        }


# connect


def _add_connect_arguments(parser: argparse.ArgumentParser) -> None:
    from poptalk.practice.options import add_practice_arguments

    usual = ConnectOptions()
    add = parser.add_argument
    add(
        "target",
        nargs="*",
        metavar="HOST [PORT] | URL",
        help="the server; without it the practice server is started and opened",
    )
    add("--tls", action="store_true", help="begin with TLS (port 995)")
    add("--insecure", action="store_true", help="take any certificate")
    add("--ca-file", metavar="FILE", help="PEM file of the authorities to trust")
    family = parser.add_mutually_exclusive_group()
    family.add_argument("-4", dest="family", action="store_const", const=4, help="IPv4 only")
    family.add_argument("-6", dest="family", action="store_const", const=6, help="IPv6 only")
    add(
        "--timeout",
        type=_seconds,
        default=usual.timeout,
        metavar="SECONDS",
        help="for connecting, for TLS, and for a reply in a pipe (%(default)g)",
    )
    add("--log", metavar="FILE", help="write the dialogue to FILE, secrets masked")
    add("--plain", action="store_true", help="never redraw: for screen readers and odd terminals")
    add(
        "--color",
        choices=("auto", "always", "never"),
        default=usual.color,
        help="colours (%(default)s)",
    )
    add("--theme", choices=("neutral", "mono"), default=usual.theme, help="styles (%(default)s)")
    add("--local-commands", action="store_true", help="in a pipe too, ':' begins a local command")
    add_practice_arguments(parser)


def _seconds(text: str) -> float:
    from argparse import ArgumentTypeError

    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < 1e6:
        raise ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds


def run_connect(options: ConnectOptions) -> int:
    """Open the shell, or carry out a pipe."""
    from poptalk.net.errors import ConnectFailed, NetError, TlsFailed
    from poptalk.shell.destination import UsageError
    from poptalk.terminal.screen import ScreenClosed, complain

    try:
        return _connect(options)
    except NetError as error:
        certificate = error.certificate if isinstance(error, TlsFailed) else ()
        complain("\n".join((str(error), *certificate)))
        if isinstance(error, ConnectFailed):
            return EXIT_CANNOT_CONNECT
        return EXIT_TLS if isinstance(error, TlsFailed) else EXIT_CONNECTION_LOST
    except UsageError as error:
        complain(str(error))
        return EXIT_USAGE
    except ScreenClosed as closed:
        return _give_up_output(closed)


def _give_up_output(closed: ScreenClosed) -> int:
    """Say that standard output is gone, and return the exit code."""
    from poptalk.terminal.screen import abandon, complain

    if sys.stdout is not None:
        abandon(sys.stdout)
    complain(str(closed))
    return EXIT_NO


def _connect(options: ConnectOptions) -> int:
    if options.target:
        return _talk(options, _destination(options))
    from poptalk.shell.practising import practice_server

    with practice_server(
        persona=options.persona,
        maildrop=options.maildrop,
        faults=options.faults or (),
        tls=options.tls,
    ) as destination:
        return _talk(options, destination)


def _destination(options: ConnectOptions) -> Destination:
    import socket

    from poptalk.shell.destination import UsageError, parse_destination

    if options.persona or options.maildrop or options.faults:
        raise UsageError(
            "--persona, --maildrop and --fault are for the practice server: give no target"
        )
    if options.ca_file:
        from poptalk.net.tls import TlsSettings, client_context

        client_context(TlsSettings(server_name="localhost", ca_file=options.ca_file))
    return parse_destination(
        options.target,
        tls=options.tls,
        family={None: 0, 4: socket.AF_INET, 6: socket.AF_INET6}[options.family],
        verify=not options.insecure,
        ca_file=options.ca_file,
    )


def _talk(options: ConnectOptions, destination: Destination) -> int:
    # A stream that was closed before the start is None.
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout)):
        from poptalk.shell.piping import run_pipe

        return run_pipe(options, destination)
    from poptalk.shell.interactive import run_interactive

    return run_interactive(options, destination)


# serve


def _add_serve_arguments(parser: argparse.ArgumentParser) -> None:
    from poptalk.practice.options import add_serve_arguments

    add_serve_arguments(parser)


def run_serve(options: argparse.Namespace) -> int:
    """Run the practice server until it is interrupted."""
    from poptalk.practice.serve import serve
    from poptalk.terminal.screen import ScreenClosed, complain, say

    try:
        return serve(options, say=say, complain=complain)
    except ScreenClosed as closed:
        return _give_up_output(closed)


COMMANDS = {
    "connect": Command(
        summary="talk to a server by hand, or to the practice server",
        example=(
            "  poptalk mail.example.org\n"
            "  poptalk pop3s://mail.example.org\n"
            "  printf 'USER bob\\nPASS jones\\nSTAT\\nQUIT\\n' | poptalk HOST 110\n"
        ),
        add_arguments=_add_connect_arguments,
        run=lambda parsed: run_connect(ConnectOptions(**vars(parsed))),
    ),
    "serve": Command(
        summary="run the practice server on its own",
        example="  poptalk serve --port 1110 --persona plain\n",
        add_arguments=_add_serve_arguments,
        run=run_serve,
    ),
}
"""Every command by its name, in the order of `--help`."""
