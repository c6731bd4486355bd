"""The commands: each is a function that takes parsed arguments and returns an exit code.

A piped session is a whole process, so nothing heavy is imported at the top: the parser of one command
is made when that command is asked for, and where there are no options not even that; and what a
command needs is imported inside it.
"""

from __future__ import annotations

import os
import sys

from poptalk import __version__
from poptalk.exit_codes import (
    EXIT_CANNOT_CONNECT,
    EXIT_CONNECTION_LOST,
    EXIT_INTERRUPTED,
    EXIT_NO,
    EXIT_TLS,
    EXIT_USAGE,
    MEANINGS,
)
from poptalk.shell.options import LOG_FORMATS, ConnectOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from poptalk.net.destination import Destination, Proxy
    from poptalk.net.errors import NetError
    from poptalk.terminal.screen import ScreenClosed

EXIT_CODES = "exit codes:\n" + "".join(
    f"  {code:<5}{meaning}\n" for code, meaning in MEANINGS.items()
)

DESCRIPTION = (
    "A Telnet-style raw protocol teaching shell for POP3: what you type goes to the server as it is, "
    "and what the server says comes back coloured and, on request, explained."
)


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
    implied = not words or words[0] not in COMMANDS
    name = "connect" if implied else words.pop(0)
    try:
        if name == "connect" and not any(word.startswith("-") for word in words):
            options = ConnectOptions(target=words)
            return run_implied(options) if implied else run_connect(options)
        return _parse_and_run(name, words, implied=implied)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _parse_and_run(name: str, words: Sequence[str], *, implied: bool) -> int:
    command = COMMANDS[name]
    parsed = command.parse(name, words)
    return run_implied(ConnectOptions(**vars(parsed))) if implied else command.run(parsed)


def build_parser() -> argparse.ArgumentParser:
    """Make the parser of all commands: for `--help`, the man page and the shell completions."""
    from poptalk.shell.usage import Parser

    parser = Parser(
        prog="poptalk",
        usage="poptalk [HOST [PORT] | URL] [options]\n       poptalk COMMAND ...",
        description=DESCRIPTION,
        epilog=(
            "Without a command: with a target, connect is meant; alone, learn.  In a pipe, and with\n"
            "connect alone, the practice server is opened: USER bob, PASS jones, LIST, RETR 3, QUIT.\n"
            "\n" + EXIT_CODES
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
    from poptalk.terminal.screen import DEFAULT_COLUMNS

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
        add_arguments: Callable[
            [argparse.ArgumentParser], Mapping[str, argparse.ArgumentParser] | None
        ],
        run: Callable[[argparse.Namespace], int],
    ) -> None:
        """Describe a command.

        Args:
            summary: one line.
            example: command lines that work.
            add_arguments: adds its arguments to a parser; gives the parsers of its subcommands by
                name, where it has any.  Which one was given is `action` of what is parsed.
            run: carries it out and returns the exit code.
        """
        self.summary = summary
        self.example = example
        self.add_arguments = add_arguments
        self.run = run

    def parse(self, name: str, words: Sequence[str]) -> argparse.Namespace:
        """Parse what stands behind the command on the command line.

        Args:
            name: the command.
            words: what stands there.
        """
        from argparse import Namespace

        from poptalk.shell.usage import Parser

        parser = Parser(prog=f"poptalk {name}", **self.texts())
        subcommands = self.add_arguments(parser)
        # Intermixed: `HOST --tls PORT` is understood as well.
        if not subcommands:
            return parser.parse_intermixed_args(words)
        action = words[0] if words else ""
        if action not in subcommands:
            return parser.parse_args(words)
        return subcommands[action].parse_intermixed_args(words[1:], Namespace(action=action))

    def texts(self) -> dict[str, Any]:
        """Give what a parser says of the command."""
        return {
            "description": f"{self.summary[:1].upper()}{self.summary[1:]}.",
            "epilog": f"example:\n{self.example}\n{EXIT_CODES}",
            "formatter_class": help_formatter,
        }


# connect


def _add_connect_arguments(parser: argparse.ArgumentParser) -> None:
    from poptalk.login.options import add_login_arguments
    from poptalk.practice.options import add_practice_arguments

    add = parser.add_argument
    add(
        "target",
        nargs="*",
        metavar="HOST [PORT] | URL",
        help="the server, or the NAME under which it was saved; without it the practice server is "
        "started and opened",
    )
    add("--srv", metavar="DOMAIN", help="the server that the DNS names for DOMAIN")
    add("--save", metavar="NAME", help="save the server: from then on, NAME is enough")
    _add_network_arguments(
        parser, timeout_help="for connecting, for TLS, and for a reply in a pipe"
    )
    _add_screen_arguments(parser)
    add("--explain", action="store_true", help="say what everything means, as :explain on does")
    add("--local-commands", action="store_true", help="in a pipe too, ':' begins a local command")
    _add_one_liner_arguments(parser)
    add_login_arguments(parser)
    add_practice_arguments(parser)


def _add_one_liner_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is for sessions in one command line."""
    add = parser.add_argument
    add(
        "-e",
        dest="lines",
        action="append",
        metavar="LINE",
        help="send LINE, in place of the lines of standard input (repeatable); no secret, as every "
        "user of this machine can read it",
    )
    add(
        "--after-login",
        action="store_true",
        help="with --login: standard output has only what comes behind the login",
    )
    add(
        "--pipeline",
        action="store_true",
        help="in a pipe and with -e: send all lines before anything is read",
    )
    add(
        "--drop-after",
        type=_count,
        metavar="N",
        help="in a pipe and with -e: hang up without QUIT after N replies",
    )


def _count(text: str) -> int:
    from argparse import ArgumentTypeError

    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ArgumentTypeError(f"{text!r} is no number of replies")
    return int(text)


def _add_screen_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every command has that opens the shell."""
    from poptalk.terminal.color import COLOR_FLAGS
    from poptalk.terminal.theme import THEMES

    usual = ConnectOptions()
    add = parser.add_argument
    add("--log", metavar="FILE", help="write the dialogue to FILE, secrets masked")
    add(
        "--log-format",
        choices=LOG_FORMATS,
        default=usual.log_format,
        help="what to write there: C: and S: lines that poptalk run replays, or JSON for machines "
        "(%(default)s)",
    )
    add("--plain", action="store_true", help="never redraw: for screen readers and odd terminals")
    add(
        "--color",
        choices=COLOR_FLAGS,
        default=usual.color,
        help="colours (%(default)s)",
    )
    add("--theme", choices=tuple(THEMES), default=usual.theme, help="styles (%(default)s)")


def _add_network_arguments(parser: argparse.ArgumentParser, *, timeout_help: str) -> None:
    """Add what every command has that speaks with a server."""
    from poptalk.net.destination import PROXY_VARIABLE

    add = parser.add_argument
    add("--tls", action="store_true", help="begin with TLS (port 995)")
    add("--starttls", action="store_true", help="begin with STLS, and go no further without TLS")
    _add_tls_arguments(parser)
    family = parser.add_mutually_exclusive_group()
    family.add_argument("-4", dest="family", action="store_const", const=4, help="IPv4 only")
    family.add_argument("-6", dest="family", action="store_const", const=6, help="IPv6 only")
    add(
        "--timeout",
        type=_seconds,
        default=ConnectOptions().timeout,
        metavar="SECONDS",
        help=f"{timeout_help} (%(default)g)",
    )
    add(
        "--connect-timeout",
        type=_seconds,
        metavar="SECONDS",
        help="for connecting alone (default: as --timeout)",
    )
    add("--source", metavar="ADDRESS", help="connect from this address of this machine")
    add("--socket", metavar="PATH", help="connect to a unix socket")
    add(
        "--proxy",
        metavar="URL",
        help="go by way of socks5://, socks5h:// or http://HOST:PORT (default: the environment "
        f"variable {PROXY_VARIABLE})",
    )


def _add_tls_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what TLS is to be like, whichever way it begins."""
    from poptalk.net.destination import TLS_VERSIONS

    add = parser.add_argument
    add("--insecure", action="store_true", help="take any certificate")
    add("--ca-file", metavar="FILE", help="PEM file of the authorities to trust")
    add("--tls-name", metavar="HOST", help="the name that the certificate must be for")
    add(
        "--pin",
        action="append",
        metavar="SHA256",
        help="the certificate, or with sha256// the public key, that it must be (repeatable)",
    )
    add("--client-cert", metavar="FILE", help="PEM file of the certificate to show")
    add("--client-key", metavar="FILE", help="PEM file of its key, if that is another file")
    add(
        "--tls-min",
        choices=TLS_VERSIONS,
        help="the least version of TLS (default: 1.2)",
    )
    add("--keylog", metavar="FILE", help="add the keys of the session to FILE, for Wireshark")


def _seconds(text: str) -> float:
    from argparse import ArgumentTypeError

    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < 1e6:
        raise ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds


def run_implied(options: ConnectOptions) -> int:
    """Do what is meant without a command: on a terminal, and with nowhere to go, the lessons."""
    for_lessons = ConnectOptions(
        target=options.target,
        plain=options.plain,
        color=options.color,
        theme=options.theme,
        timeout=options.timeout,
    )
    # Whoever gives an option that lessons do not know wants something else.
    if options.target or options != for_lessons or not _on_terminal():
        return run_connect(options)
    return _carried_out(lambda: _open_lessons(None, options, None))


def run_connect(options: ConnectOptions) -> int:
    """Open the shell, or carry out a pipe."""
    return _carried_out(lambda: _connect(options))


def _carried_out(work: Callable[[], int]) -> int:
    """Carry out a command that speaks with a server; what stops it is told, and has its exit code."""
    from poptalk.net.destination import UsageError
    from poptalk.net.errors import NetError
    from poptalk.terminal.screen import ScreenClosed, complain

    try:
        return work()
    except NetError as error:
        return _stopped_by(error)
    except UsageError as error:
        complain(str(error))
        return EXIT_USAGE
    except ScreenClosed as closed:
        return _give_up_output(closed)


def _stopped_by(error: NetError) -> int:
    """Say what stopped a session, and return the exit code."""
    from poptalk.net.errors import ConnectFailed, TlsFailed
    from poptalk.terminal.screen import complain

    certificate = error.certificate if isinstance(error, TlsFailed) else ()
    complain("\n".join((str(error), *certificate)))
    if isinstance(error, ConnectFailed):
        return EXIT_CANNOT_CONNECT
    return EXIT_TLS if isinstance(error, TlsFailed) else EXIT_CONNECTION_LOST


def _give_up_output(closed: ScreenClosed) -> int:
    """Say that standard output is gone, and return the exit code."""
    from poptalk.terminal.screen import abandon, complain

    if sys.stdout is not None:
        abandon(sys.stdout)
    complain(str(closed))
    return EXIT_NO


def _connect(options: ConnectOptions) -> int:
    if options.log_format != LOG_FORMATS[0] and not options.log:
        from poptalk.net.destination import UsageError

        raise UsageError("--log-format is for --log FILE")
    if options.srv:
        options = _located(options, options.srv)
    if options.target or options.socket:
        destination = _destination(options)
        if options.save:
            _save(options.save, destination)
        return _talk(options, destination)
    if options.save:
        from poptalk.net.destination import UsageError

        raise UsageError("--save is for a server of your own: give a target")
    _refuse_without_server(options)
    if options.tls and options.starttls:
        from poptalk.net.destination import TLS_TWICE, UsageError

        raise UsageError(TLS_TWICE)
    from poptalk.practice.embedded import practice_server

    with practice_server(
        persona=options.persona,
        maildrop=options.maildrop,
        faults=options.faults or (),
        tls=options.tls,
        starttls=options.starttls,
    ) as destination:
        return _talk(options, destination)


def _located(options: ConnectOptions, domain: str) -> ConnectOptions:
    """Put the server that the DNS names for a domain in place of the target, and say what was found."""
    from poptalk.net.destination import UsageError
    from poptalk.net.srv import find_service
    from poptalk.terminal.screen import complain

    if options.target or options.socket:
        raise UsageError("--srv looks for the server: leave the target out")
    wanted = True if options.tls else False if options.starttls else None
    found = find_service(domain, timeout=options.timeout, tls=wanted)
    for remark in found.remarks:
        complain(remark)
    given = {name: getattr(options, name) for name in ConnectOptions._fields}
    target = [found.host, str(found.port)]
    return ConnectOptions(**{**given, "srv": None, "target": target, "tls": found.tls})


def _save(name: str, destination: Destination) -> None:
    from poptalk.net.destination import UsageError
    from poptalk.net.named import save_server
    from poptalk.terminal.screen import complain

    if name in COMMANDS:
        raise UsageError(f"{name} is a command of poptalk: choose another name for the server")
    path = save_server(name, destination)
    complain(f"saved in {path}: poptalk {name} connects there from now on")


def _destination(options: ConnectOptions | argparse.Namespace) -> Destination:
    from poptalk.net.destination import UsageError

    if options.persona or options.maildrop or options.faults:
        raise UsageError(
            "--persona, --maildrop and --fault are for the practice server: give no target"
        )
    return _server(options)


def _server(options: ConnectOptions | argparse.Namespace) -> Destination:
    from poptalk.net.destination import FAMILIES, Way, parse_destination

    way = Way(
        tls=options.tls,
        starttls=options.starttls,
        family=0 if options.family is None else FAMILIES[options.family],
        source=options.source,
        path=options.socket,
        proxy=_proxy(options),
        server_name=options.tls_name,
        verify=not options.insecure,
        ca_file=options.ca_file,
        client_cert=options.client_cert,
        client_key=options.client_key,
        pins=tuple(options.pin or ()),
        tls_min=options.tls_min,
        keylog=options.keylog,
        connect_timeout=options.connect_timeout,
    )
    destination = parse_destination(options.target, way)
    destination.check_tls_files()
    return destination


def _proxy(options: ConnectOptions | argparse.Namespace) -> Proxy | None:
    from poptalk.net.destination import parse_proxy, proxy_of_environment

    return proxy_of_environment() if options.proxy is None else parse_proxy(options.proxy)


def _talk(options: ConnectOptions, destination: Destination) -> int:
    if options.lines or options.after_login or options.pipeline or options.drop_after is not None:
        from poptalk.shell.one_liner import check_wishes

        check_wishes(options, in_shell=_on_terminal() and not options.lines)
    if options.lines or not _on_terminal():
        from poptalk.shell.piping import run_pipe

        return run_pipe(options, destination)
    from poptalk.shell.interactive import WELCOME, run_interactive

    is_practice = not options.target and not options.socket
    return run_interactive(options, destination, welcome=WELCOME if is_practice else ())


def _on_terminal() -> bool:
    # A stream that was closed before the start is None.
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


# learn


def _add_learn_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "lesson",
        nargs="?",
        metavar="LESSON",
        help="its number, its name, or a file (default: a list to choose from)",
    )
    parser.add_argument(
        "target",
        nargs="*",
        metavar="HOST [PORT] | URL",
        help="your own server, for this lesson (default: the lesson's practice server)",
    )
    _add_network_arguments(parser, timeout_help="for connecting, and for TLS")
    _add_screen_arguments(parser)


def run_learn(options: argparse.Namespace) -> int:
    """Open the lessons."""
    return _carried_out(lambda: _learn(options))


def _learn(options: argparse.Namespace) -> int:
    from poptalk.net.destination import UsageError

    if not _on_terminal():
        raise UsageError(
            "learn needs a terminal, for both input and output; poptalk lessons list tells what "
            "there is"
        )
    if "://" in (options.lesson or ""):
        raise UsageError(f"name the lesson first: poptalk learn 3 {options.lesson}")
    server = _own_server(options)
    if server is not None and server.starttls:
        raise UsageError("in a lesson it is you who types STLS: leave --starttls out, or say --tls")
    return _open_lessons(options.lesson, _shell_options(options), server)


def _own_server(options: argparse.Namespace) -> Destination | None:
    """Return the server that was named; None where the lesson's practice server is meant."""
    if options.target or options.socket:
        return _server(options)
    _refuse_without_server(options, "tls", "starttls", "insecure")
    return None


def _refuse_without_server(options: ConnectOptions | argparse.Namespace, *others: str) -> None:
    """Refuse what is about a server of the user's own where none was named.

    Args:
        options: the options.
        others: what is refused besides what can mean nothing to the practice server.

    Raises:
        UsageError: names the option.
    """
    from poptalk.net.destination import UsageError

    about_it = ("ca_file", "tls_name", "pin", "client_cert", "client_key", "tls_min", "keylog")
    for name in (*others, *about_it, "source", "proxy"):
        if getattr(options, name):
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} and the like are for your own server: name it as well")


def _shell_options(options: argparse.Namespace) -> ConnectOptions:
    """Pick what is about the shell itself, wherever it leads."""
    named = vars(options)
    about = ("timeout", "log", "log_format", "plain", "color", "theme")
    return ConnectOptions(**{name: named[name] for name in about})


def _open_lessons(
    lesson: str | None, options: ConnectOptions, destination: Destination | None
) -> int:
    from poptalk.shell.learning import learn

    return learn(lesson, options, destination)


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


# lessons


def _add_lessons_arguments(
    parser: argparse.ArgumentParser,
) -> Mapping[str, argparse.ArgumentParser]:
    from poptalk.lesson.options import add_lessons_arguments

    return add_lessons_arguments(
        parser, formatter=help_formatter, add_shell_arguments=_add_recording_arguments
    )


def _add_recording_arguments(parser: argparse.ArgumentParser) -> None:
    _add_network_arguments(parser, timeout_help="for connecting, and for TLS")
    _add_screen_arguments(parser)


def run_lessons(options: argparse.Namespace) -> int:
    """Carry out `poptalk lessons ...`."""
    from poptalk.lesson.options import RECORD

    if options.action == RECORD:
        return _carried_out(lambda: _record(options))
    from poptalk.lesson.command import lessons
    from poptalk.terminal.color import use_color
    from poptalk.terminal.screen import LinearScreen, ScreenClosed, complain, say
    from poptalk.terminal.theme import theme_named

    try:
        if sys.stdout is None:
            raise ScreenClosed("The output was closed before poptalk was started.")
        usual = ConnectOptions()
        color = use_color(usual.color, os.environ, isatty=sys.stdout.isatty())
        screen = LinearScreen(sys.stdout, theme=theme_named(usual.theme), color=color)
        return lessons(options, screen=screen, say=say, complain=complain)
    except ScreenClosed as closed:
        return _give_up_output(closed)


def _record(options: argparse.Namespace) -> int:
    from poptalk.net.destination import UsageError
    from poptalk.shell.recording import record
    from poptalk.terminal.screen import say

    if not _on_terminal():
        raise UsageError("lessons record needs a terminal, for both input and output")
    return record(
        options.name,
        _shell_options(options),
        _own_server(options),
        mailbox=options.mailbox,
        persona=options.persona,
        say=say,
    )


# run


def _add_run_arguments(parser: argparse.ArgumentParser) -> None:
    from poptalk.script.options import add_run_arguments

    add_run_arguments(parser)
    _add_network_arguments(parser, timeout_help="for connecting, for TLS, and for a reply")


def run_run(options: argparse.Namespace) -> int:
    """Replay a dialogue, and compare."""
    return _carried_out(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    from argparse import Namespace

    from poptalk.script.command import run_scripts
    from poptalk.script.source import part_words
    from poptalk.terminal.screen import complain

    files, target = part_words([options.file, *options.target])
    options = Namespace(**{**vars(options), "target": target})
    destination = _destination(options) if target or options.socket else None
    return run_scripts(options, files, destination, complain=complain, fail=_stopped_by)


# diff


def _add_diff_arguments(parser: argparse.ArgumentParser) -> None:
    from poptalk.compare.options import add_diff_arguments

    add_diff_arguments(parser)
    _add_network_arguments(parser, timeout_help="for connecting, for TLS, and for a reply")


def run_diff(options: argparse.Namespace) -> int:
    """Compare one mailbox on two servers."""
    return _carried_out(lambda: _diff(options))


def _diff(options: argparse.Namespace) -> int:
    from argparse import Namespace

    from poptalk.compare.command import diff
    from poptalk.terminal.screen import complain, say

    destinations = []
    for target in (options.a, options.b):
        # One of the two may begin with TLS at once, and the other with STLS.
        starttls = options.starttls and not target.startswith(("pop3s:", "pops:"))
        named = {**vars(options), "target": [target], "starttls": starttls}
        destinations.append(_server(Namespace(**named)))
    return diff(options, destinations, say=say, complain=complain)


COMMANDS = {
    "learn": Command(
        summary="learn POP3, lesson by lesson",
        example=(
            "  poptalk learn\n"
            "  poptalk learn 3\n"
            "  poptalk learn reading pop3s://me@mail.example.org\n"
        ),
        add_arguments=_add_learn_arguments,
        run=run_learn,
    ),
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
    "run": Command(
        summary="replay a dialogue of C: and S: lines, and compare what comes with what it says",
        example=(
            "  poptalk run session.pop3\n"
            "  poptalk run session.pop3 mail.example.org --user me\n"
            "  poptalk run --exact session.pop3 pop3s://me@mail.example.org\n"
        ),
        add_arguments=_add_run_arguments,
        run=run_run,
    ),
    "diff": Command(
        summary="compare one mailbox on two servers, without changing anything there",
        example=(
            "  poptalk diff --user me pop3s://old.example.org pop3s://new.example.org\n"
            "  poptalk diff --bodies --user-a me --user-b me@example.org old.example.org new:1110\n"
        ),
        add_arguments=_add_diff_arguments,
        run=run_diff,
    ),
    "serve": Command(
        summary="run the practice server on its own",
        example="  poptalk serve --port 1110 --persona plain\n",
        add_arguments=_add_serve_arguments,
        run=run_serve,
    ),
    "lessons": Command(
        summary="list lessons, check them, write new ones",
        example="  poptalk lessons list\n  poptalk lessons new my-lesson.md\n",
        add_arguments=_add_lessons_arguments,
        run=run_lessons,
    ),
}
"""Every command by its name, in the order of `--help`."""
