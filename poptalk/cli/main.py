"""The commands: each is a function that takes the fields that were given, and returns an exit code.

A piped session is a whole process, so nothing heavy is imported at the top: the parser is loaded where
there is an option to parse, and what a command needs is imported inside it.
"""

from __future__ import annotations

import sys
from errno import EPIPE

from poptalk import exit_codes
from poptalk.net import endpoint
from poptalk.net.endpoint import UsageError
from poptalk.net.errors import ConnectFailed, NetError, TlsFailed
from poptalk.shell.script import LOG_FORMATS, ShellSettings, check_pipe_options, run_pipe
from poptalk.terminal.screen import LinearScreen, ScreenClosed, abandon, complain, put, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import Any, TypeVar

    from poptalk.export.page import Page
    from poptalk.net.endpoint import Destination
    from poptalk.pop3.values import Value

    V = TypeVar("V", bound=Value)
    Given = Mapping[str, Any]
    """What was given on the command line, by the fields of the table of options."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run poptalk.

    Args:
        arguments: the command line without the program's name; None takes the process's own.

    Returns:
        The exit code.
    """
    try:
        return _carry_out(list(sys.argv[1:] if arguments is None else arguments))
    except NetError as error:
        return _stopped_by(error)
    except UsageError as error:
        complain(str(error))
        return exit_codes.EXIT_USAGE
    except ScreenClosed as closed:
        if sys.stdout is not None:
            abandon(sys.stdout)
        if closed.errno != EPIPE:  # As with `| head -1`, at which other programs end silently.
            complain(str(closed))
        return exit_codes.EXIT_NO
    except KeyboardInterrupt:
        return exit_codes.EXIT_INTERRUPTED


def _carry_out(words: list[str]) -> int:
    if words[:1] and words[0] in ("-h", "--help", "--version"):
        from poptalk.cli.parser import build_parser

        build_parser().parse_args(words)
    implied = not words or words[0] not in RUN
    name = "connect" if implied else words.pop(0)
    given: Given = {"target": words}
    if name != "connect" or any(word.startswith("-") for word in words):
        from poptalk.cli.parser import parse

        given = parse(name, words)
    # A terminal and nowhere to go: the lessons, unless there is an option that they don't have.
    if implied and _on_terminal() and not given.get("target") and not set(given) - _LESSONS:
        name = "learn"
    return RUN[name](given)


_LESSONS = {"target", "timeout", "plain", "color", "theme"}


def _stopped_by(error: NetError) -> int:
    """Say what stopped a session, and return the exit code."""
    certificate = error.certificate if isinstance(error, TlsFailed) else ()
    complain("\n".join((str(error), *certificate)))
    if isinstance(error, ConnectFailed):
        return exit_codes.EXIT_CANNOT_CONNECT
    return exit_codes.EXIT_TLS if isinstance(error, TlsFailed) else exit_codes.EXIT_CONNECTION_LOST


def _filled(kind: type[V], given: Given, **more: Any) -> V:
    """Make a value of those of its fields that were given."""
    fields = {name: given[name] for name in kind._fields if name in given}
    return kind(**fields | more)


def _on_terminal() -> bool:
    # A stream that was closed before the start is None.
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


def _need_terminal(command: str, more: str = "") -> None:
    if not _on_terminal():
        raise UsageError(f"{command} needs a terminal, for both input and output{more}")


def _list(text: str) -> None:
    """Print a line of something that was asked for only to be read.

    Raises:
        ScreenClosed: it cannot be read, because standard output is closed.
    """
    if sys.stdout is None:
        raise ScreenClosed("The output was closed before poptalk was started.")
    say(text)


# Where to connect.


_PRACTICE = ("persona", "maildrop", "faults")
"""Fields for the practice server alone."""


def _server(given: Given, words: Sequence[str]) -> Destination:
    """Return the server that a target names, saved servers first."""
    if not given.keys().isdisjoint(_PRACTICE):
        raise UsageError(
            "--persona, --maildrop and --fault are for the practice server: give no target"
        )
    find = endpoint.parse_destination
    if len(words) == 1 and endpoint.is_plain_name(words[0]):
        from poptalk.net.saved import find_destination as find
    url = given.get("proxy")
    proxy = endpoint.proxy_of_environment() if url is None else endpoint.parse_proxy(url)
    destination = find(words, _filled(endpoint.ConnectOptions, given, proxy=proxy))
    destination.check_tls_files()
    return destination


def _own_server(given: Given, words: Sequence[str], *refused: str) -> Destination | None:
    """Return the server that was named; None where the practice server is meant.

    Args:
        given: what was given.
        words: the target.
        refused: fields that the practice server refuses here, beside those that it always does.

    Raises:
        UsageError: an option belongs to the other of the two.
    """
    if words or "path" in given:
        return _server(given, words)
    if set(given) - {"target"}:
        from poptalk.cli.options import REACHING

        for option in REACHING:
            if option.field in given and (option.own_server or option.field in refused):
                raise UsageError(
                    f"{option.flags[0]} and the like are for your own server: name it as well"
                )
    return None


def _typed_tls_server(given: Given, place: str = "") -> Destination | None:
    """Return the server that was named for a session in which a person types STLS.

    Args:
        given: what was given.
        place: where --starttls is refused; empty where it may be given.
    """
    server = _own_server(given, given.get("target", ()), "tls", "starttls", "verify")
    if place and server is not None and server.starttls:
        raise UsageError(
            f"in a {place} it is you who types STLS: leave --starttls out, or say --tls"
        )
    return server


def _practice(given: Given, *, own: bool = False) -> AbstractContextManager[Destination]:
    """Return the practice server as it was asked for, not started yet."""
    from poptalk.practice.server import practice_server

    about = (*_PRACTICE, "tls", "starttls")
    return practice_server(**{name: given[name] for name in about if name in given}, own=own)


# The commands.


def connect(given: Given) -> int:
    """Open the shell, or carry out a pipe."""
    options = _filled(ShellSettings, given)
    if options.log_format != LOG_FORMATS[0] and not options.log:
        raise UsageError("--log-format is for --log FILE")
    if "srv" in given:
        given = _located(given, given["srv"], timeout=options.timeout)
    destination = _own_server(given, given.get("target", ()))
    if destination is not None:
        if "save" in given:
            _save(given["save"], destination)
        return _talk(options, destination)
    if "save" in given:
        raise UsageError("--save is for a server of your own: give a target")
    if "tls" in given and "starttls" in given:
        raise UsageError(endpoint.TLS_TWICE)
    with _practice(given) as practice:
        return _talk(options, practice, is_practice=True)


def _located(given: Given, domain: str, *, timeout: float) -> Given:
    """Put the server that the DNS names for a domain in place of the target, and say what was found."""
    from poptalk.net.srv import find_service

    if given.get("target") or "path" in given:
        raise UsageError("--srv looks for the server: leave the target out")
    wanted = True if "tls" in given else False if "starttls" in given else None
    found = find_service(domain, timeout=timeout, tls=wanted)
    for remark in found.remarks:
        complain(remark)
    return {**given, "target": [found.host, str(found.port)], "tls": found.tls}


def _save(name: str, destination: Destination) -> None:
    from poptalk.net.saved import save_server

    if name in RUN:
        raise UsageError(f"{name} is a command of poptalk: choose another name for the server")
    path = save_server(name, destination)
    complain(f"saved in {path}: poptalk {name} connects there from now on")


def _talk(options: ShellSettings, destination: Destination, *, is_practice: bool = False) -> int:
    in_shell = _on_terminal() and not options.lines
    if options.password_source is not None:
        from poptalk.session.password import NoPassword, check_source

        try:
            check_source(options.password_source)
        except NoPassword as error:
            raise UsageError(str(error)) from error
    if options.expires_within is not None and not (destination.tls or destination.starttls):
        raise UsageError("--expires-within looks at certificates: say --tls or --starttls as well")
    check_pipe_options(options, in_shell=in_shell)
    if in_shell:
        from poptalk.shell.start import WELCOME, run_interactive

        return run_interactive(options, destination, welcome=WELCOME if is_practice else ())
    return run_pipe(options, destination)


def learn(given: Given) -> int:
    """Open the lessons."""
    lesson = given.get("lesson")
    _need_terminal("learn", "; poptalk lessons list shows what there is")
    if "://" in (lesson or ""):
        raise UsageError(f"name the lesson first: poptalk learn 3 {lesson}")
    again = given.get("again", False)
    if again and lesson is None:
        raise UsageError("--again is for a lesson: poptalk learn 5 --again")
    server = _typed_tls_server(given, "lesson")
    from poptalk.lesson.ui import start

    return start.learn(lesson, _filled(ShellSettings, given), server, again=again)


def play(given: Given) -> int:
    """Show a lesson or a dialogue as a live demo."""
    script, notes = given.get("script"), given.get("show_notes")
    _need_terminal("play")
    if (script is None) is (notes is None):
        raise UsageError(
            "name a lesson or a dialogue, as in poptalk play 3; --show-notes FILE goes without one"
        )
    options = _filled(ShellSettings, given)
    server = _typed_tls_server(given, "demo")
    if notes is not None:
        from poptalk.play.notes import show_notes

        return show_notes(notes, options)
    from poptalk.play import start

    return start.play(given["script"], _filled(start.PlaySettings, given), options, server)


def run(given: Given) -> int:
    """Replay dialogues, and compare."""
    from poptalk.run.run import part_words, run_scripts
    from poptalk.run.server import RunSettings

    files, target = part_words([given["file"], *given.get("target", ())])
    destination = _server(given, target) if target or "path" in given else None
    settings = _filled(RunSettings, given)
    return run_scripts(settings, files, destination, complain=complain, fail=_stopped_by)


def diff(given: Given) -> int:
    """Compare one mailbox on two servers."""
    from poptalk.diff import diff

    destinations = []
    for target in (given["a"], given["b"]):
        # One of the two may begin with TLS at once, and the other with STLS.
        at_once = target.startswith(("pop3s:", "pops:"))
        destinations.append(_server({**given, "starttls": False} if at_once else given, [target]))
    settings = _filled(diff.DiffSettings, given)
    return diff.diff(settings, destinations, say=say, complain=complain)


def check(given: Given) -> int:
    """Check a server."""
    from poptalk.check import command

    options = _filled(command.CheckSettings, given)
    done = command.without_server(options, say=_list)
    if done is not None:
        return done
    words = given.get("target", ())
    if words or "path" in given:
        server = _server(given, words)
        return command.check(options, server, is_practice=False, say=say, complain=complain)
    if given.keys().isdisjoint((*_PRACTICE, "tls", "starttls")):
        complain("no server was named: this checks the practice server, logged in as bob")
    with _practice(given, own=True) as practice:
        return command.check(options, practice, is_practice=True, say=say, complain=complain)


def tap(given: Given) -> int:
    """Relay sessions, and show them, until interrupted."""
    from poptalk.tap import tap

    settings = _filled(tap.TapSettings, given)
    if settings.log_format != LOG_FORMATS[0] and not settings.log:
        raise UsageError("--log-format is for --log FILE")
    listen, target = tap.part_words(given.get("target", ()))
    destination = _own_server(given, target)
    if destination is not None:
        return tap.tap(settings, listen, destination, complain=complain)
    with _practice(given) as practice:
        return tap.tap(settings, listen, practice, complain=complain)


def serve(given: Given) -> int:
    """Run the practice server until it is interrupted."""
    from poptalk.practice import serve
    from poptalk.practice.persona import ServeSettings

    settings = _filled(ServeSettings, given)
    show = _list if settings.list_personas or settings.list_faults else say
    if settings.lesson is None:
        return serve.serve(settings, say=show, complain=complain)
    from poptalk.classroom.server import serve_lesson

    if not given.keys().isdisjoint((*_PRACTICE, "shared", "writable")):
        raise UsageError(
            "--lesson brings its own persona, mail and faults, a maildrop for each name: leave "
            "--persona, --maildrop, --fault, --shared and --writable out"
        )
    return serve_lesson(settings.lesson, settings, say=show, complain=complain)


def class_(given: Given) -> int:
    """Hold a class."""
    from poptalk.classroom.command import ClassSettings, run_class

    return run_class(_filled(ClassSettings, given), say=say, complain=complain)


def lessons(given: Given) -> int:
    """Carry out `poptalk lessons ...`."""
    if given["action"] == "record":
        return _record(given)
    from poptalk.lesson.author import command

    return command.lessons(**given, screen=LinearScreen.of_output(), say=say, complain=complain)


def _record(given: Given) -> int:
    from poptalk.lesson.ui.start import record

    _need_terminal("lessons record")
    lesson = {name: given[name] for name in ("mailbox", "persona") if name in given}
    server = _typed_tls_server({name: given[name] for name in given.keys() - lesson.keys()})
    return record(given["name"], _filled(ShellSettings, given), server, say=say, **lesson)


def export(given: Given) -> int:
    """Make a document of a lesson or a dialogue."""
    from poptalk.export import export

    def page_of_lesson(settings: export.ExportSettings) -> Page:
        from poptalk.lesson.author import handout

        return handout.page_of_lesson(settings)

    settings = _filled(export.ExportSettings, given)
    export.export(settings, page_of_lesson=page_of_lesson, write=put, say=say)
    return exit_codes.EXIT_OK


RUN: Mapping[str, Callable[[Given], int]] = {
    "learn": learn,
    "connect": connect,
    "play": play,
    "run": run,
    "diff": diff,
    "check": check,
    "tap": tap,
    "serve": serve,
    "class": class_,
    "export": export,
    "lessons": lessons,
}
"""The function of each command, since the table of options is not loaded for a plain HOST PORT."""
