"""The command ``poptalk serve``: the practice server on its own, until it is stopped."""

from __future__ import annotations

import asyncio
import json
import math
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from poptalk.exit_codes import EXIT_NO, EXIT_OK, EXIT_USAGE
from poptalk.net.endpoint import is_loopback
from poptalk.net.errors import reason
from poptalk.pop3.commands import MASK
from poptalk.practice import accounts
from poptalk.practice.accounts import ACCOUNTS, Account, is_public, parse_account
from poptalk.practice.connection import Patience
from poptalk.practice.faults.plan import list_faults
from poptalk.practice.limits import NO_MORE_FILES, CannotListen, reachable_addresses
from poptalk.practice.log import CannotLog, ServerLog
from poptalk.practice.observers import MakeObserver, SessionLines
from poptalk.practice.persona import ServeSettings, list_personas
from poptalk.practice.server import UNUSABLE, LoopMissing, Server, loop_factory

Say = Callable[[str], None]
"""Prints a line, or a sentence to where errors and warnings go."""

COMPLAIN_SECONDS = 60.0
"""Least time between two sentences about the same trouble."""

FINISH_SECONDS = 8.0
"""How long sessions may go on once the server is to stop: Docker kills after ten seconds."""


class ServedLesson(NamedTuple):
    """What a lesson gives to a server for a class, instead of options."""

    word: str
    """Its name as it was typed."""
    title: str
    learn: str | None
    """Its name for `poptalk learn`; None where the lesson is only for other programs."""
    account: Account
    """The account where no others are given."""
    arguments: Mapping[str, Any]
    """Those of `Server`: persona, maildrop and faults."""
    observer: MakeObserver


def serve(
    options: ServeSettings, *, lesson: ServedLesson | None = None, say: Say, complain: Say
) -> int:
    """Run a practice server until Ctrl-C or SIGTERM; a second one ends its sessions at once.

    Args:
        options: those of the command line.
        lesson: the lesson that the class does, None for none.
        say: prints a line and flushes it.
        complain: prints a sentence to where errors and warnings go.

    Returns:
        The exit code: 0 when stopped; 2 for an account, a fault, a persona, a folder, a log, a loop or
        an address that cannot be used; 1 for a port or an address of another machine or program.
    """
    if options.list_personas or options.list_faults:
        for line in list_personas() if options.list_personas else list_faults():
            say(line)
        return EXIT_OK
    log: ServerLog | None = None
    try:
        log = ServerLog(options.log, complain=complain) if options.log else None
        return _serve(options, lesson, log, say, complain)
    except CannotLog as error:
        complain(str(error))
        return EXIT_USAGE
    finally:
        if log is not None:
            log.close()


def _serve(
    options: ServeSettings,
    lesson: ServedLesson | None,
    log: ServerLog | None,
    say: Say,
    complain: Say,
) -> int:
    patience = None
    if (most := options.connections) is not None:
        patience = Patience(connections=most, connections_per_address=most)
    arguments: Mapping[str, Any] = {
        "persona": options.persona,
        "maildrop": options.maildrop,
        "faults": options.faults,
        "fault_seed": options.fault_seed,
    }
    any_name = options.any_name
    try:
        new_loop = loop_factory(options.loop)
        server = Server(
            accounts=_accounts(options, lesson, complain),
            any_name=None if any_name is None else password_of_class(any_name),
            token=_token(options, complain),
            writable=options.writable,
            shared=options.shared,
            own=options.own or lesson is not None,
            host=options.listen,
            port=options.port,
            tls_port=options.tls_port,
            patience=patience,
            slow_refusals=options.slow_refusals,
            observers=_observers(options, lesson, log, say),
            **(arguments if lesson is None else lesson.arguments),
        )
    except (LoopMissing, *UNUSABLE) as error:
        complain(str(error))
        return EXIT_USAGE
    try:
        server.listen()
    except CannotListen as error:
        complain(why_not(error))
        return EXIT_NO if error.is_address else EXIT_USAGE
    for host in options.listen:
        if not is_loopback(host) and any(map(is_public, server.accounts)):
            complain(
                f"Warning: anyone who can reach {host} can log in, because the passwords are "
                "public knowledge. Put no messages into the maildrop that aren't for everyone."
            )
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(_run(server, options, lesson, say, complain))
    except KeyboardInterrupt:
        # Where signals cannot be handled in the loop (Windows), Ctrl-C ends up here.
        pass
    return EXIT_OK


def _accounts(options: ServeSettings, lesson: ServedLesson | None, complain: Say) -> list[Account]:
    """Return who may log in: those that were given, or bob and mrose where nobody else may."""
    given = [parse_account(text, source="--user") for text in options.users]
    for file in map(Path, options.user_files):
        given += accounts.read_accounts(file)
        _warn_of_readers(file, complain)
    if given or options.any_name is not None:
        return given
    return list(ACCOUNTS) if lesson is None else [lesson.account]


def password_of_class(password: str) -> str:
    """Return the password of a class as --any-name has it: one is chosen where it is empty.

    Raises:
        AccountError: it cannot be used.
    """
    if not password:
        return accounts.class_password()
    return parse_account(f"any:{password}", source="--any-name").password


def _token(options: ServeSettings, complain: Say) -> str | None:
    if options.token is None:
        return None
    token = accounts.read_token(options.token)
    if options.token.startswith("@"):
        _warn_of_readers(Path(options.token[1:]), complain)
    return token


def _warn_of_readers(file: Path, complain: Say) -> None:
    if accounts.others_can_read(file):
        complain(
            f"Warning: other users of this machine can read the secrets in {file}; "
            f"chmod 600 {file} ends that."
        )


def _observers(
    options: ServeSettings, lesson: ServedLesson | None, log: ServerLog | None, say: Say
) -> list[MakeObserver]:
    observers: list[MakeObserver] = [] if log is None else [log.begin]
    if lesson is not None:
        observers.append(lesson.observer)
    # A program that asks for JSON reads one line and no more.
    if not (options.quiet or options.json):
        for_a_class = options.own or options.any_name is not None or lesson is not None
        observers.append(SessionLines(say, for_a_class=for_a_class).begin)
    return observers


def why_not(error: CannotListen, *, free: str = "Without --port a free one is taken") -> str:
    """Say why a server cannot listen, and what to try.

    Args:
        error: what listening raised.
        free: how to get a free port.
    """
    if not error.is_address:
        return (
            f'--listen "{error.host}": this machine has no such address and knows no such name. Try '
            "127.0.0.1 or ::1 for this machine alone, 0.0.0.0 for everyone who can reach it. The port "
            "goes to --port."
        )
    port = f" port {error.port}" if error.port else ""
    reserved = "Ports below 1024 are often reserved. " if 0 < error.port < 1024 else ""
    return (
        f"{error.host}{port} cannot be listened on ({reason(error)}). Is another server there "
        f"already? {reserved}{free}."
    )


class StopSignals:
    """SIGINT and SIGTERM: the first asks the server to stop, another one to stop at once."""

    def __init__(self) -> None:
        """Take the signals from now on, where signals can be handled in the loop."""
        self.stop = asyncio.Event()
        self.at_once = asyncio.Event()
        loop = asyncio.get_running_loop()
        with suppress(NotImplementedError):
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, self._came)

    def _came(self) -> None:
        (self.at_once if self.stop.is_set() else self.stop).set()


class OutOfFiles:
    """Reports errors of the event loop, and says now and then that no more files can be opened.

    asyncio reports the latter many times a second, each time with a traceback.

    Args:
        complain: prints a sentence to where errors and warnings go.
        clock: seconds that only rise.
    """

    def __init__(self, complain: Say, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._complain = complain
        self._clock = clock
        self._quiet_until = -math.inf

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Report an error, as `asyncio.loop.set_exception_handler` has it."""
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in NO_MORE_FILES:
            loop.default_exception_handler(context)
        elif self._clock() >= self._quiet_until:
            self._quiet_until = self._clock() + COMPLAIN_SECONDS
            self._complain(
                f"A connection must wait ({reason(error)}). The server accepts it as soon as others "
                "end; ulimit -n says how many files it may open, and --connections limits them."
            )


async def _run(
    server: Server, options: ServeSettings, lesson: ServedLesson | None, say: Say, complain: Say
) -> None:
    signals = StopSignals()
    asyncio.get_running_loop().set_exception_handler(OutOfFiles(complain))
    # Now, because it needs a file, and there may be none left when a client begins with TLS.
    server.tls_context()
    # The ports are taken, so anyone who reads this can connect; nobody has been greeted yet.
    for line in [_json(server, options)] if options.json else _table(server, lesson):
        say(line)
    async with server:
        await signals.stop.wait()
        server.take_no_more()
        if server.busy:
            complain(
                f"Stopping. Sessions that are logged in ({server.busy}) have {FINISH_SECONDS:.0f} "
                "seconds to end; a second Ctrl-C ends them at once."
            )
        finishing = asyncio.create_task(server.finish(FINISH_SECONDS))
        at_once = asyncio.create_task(signals.at_once.wait())
        await asyncio.wait([finishing, at_once], return_when=asyncio.FIRST_COMPLETED)
        finishing.cancel()
        at_once.cancel()


def _json(server: Server, options: ServeSettings) -> str:
    facts: dict[str, object] = {
        "host": server.host,
        "port": server.port,
        "tls_port": server.tls_port,
        # Build servers and others keep the output; a user who gave a password knows it already.
        "accounts": {
            account.name: account.password if is_public(account) else None
            for account in server.accounts
        },
        "ca_file": server.ca_file,
        "listeners": [
            {"host": each.host, "port": each.port, "tls": each.implicit_tls}
            for each in server.listeners
        ],
    }
    if server.any_name is not None:
        facts["any_name"] = None if options.any_name else server.any_name
    if server.faults is not None:
        facts["faults"] = [rule.text for rule in server.faults.rules]
        facts["fault_seed"] = server.faults.seed
    return json.dumps(facts)


def _table(server: Server, lesson: ServedLesson | None) -> list[str]:
    lines = ["The practice server is ready; Ctrl-C ends it."]
    if server.is_for_a_class:
        lines += blackboard(server, lesson=None if lesson is None else lesson.learn)
        rows = [("TLS port", f"{server.tls_port}, CA file {server.ca_file}")]
    else:
        who = ("accounts", _accounts_shown(server))
        rows = [*_listener_rows(server), ("CA file", server.ca_file), who]
    if lesson is not None:
        # What the lesson's server does wrong is for the class to find out.
        rows.append(("lesson", f"{lesson.word}: {lesson.title}"))
    else:
        rows.append(("persona", f"{server.persona.name}: {server.persona.description}"))
        rows += [] if server.faults is None else [("faults", str(server.faults))]
    return lines + [f"  {name:<10}{value}" for name, value in rows]


MOST_ADDRESSES = 3
"""How many addresses of a machine are shown: those of containers help nobody."""


def blackboard(
    server: Server, *, lesson: str | None = None, more: Sequence[tuple[str, str]] = ()
) -> list[str]:
    """Return what a teacher writes on the blackboard, and who can reach the server.

    Args:
        server: a server for a class, which has taken its ports.
        lesson: the lesson's name for `poptalk learn`, None without a lesson.
        more: further facts, each with its name.
    """
    addresses = [
        f"{address} {each.port}"
        for each in server.listeners
        if not each.implicit_tls and not is_loopback(each.host)
        for address in reachable_addresses(each.host)[:MOST_ADDRESSES]
    ]
    place = addresses[0] if addresses else f"{server.host} {server.port}"
    learn = "" if lesson is None else f"learn {lesson} "
    if server.any_name is None:
        rows = [("accounts", _accounts_shown(server))]
    else:
        rows = [("name", "your own first name, one word"), ("password", server.any_name)]
    lines = [
        "On the blackboard:",
        "",
        f"    telnet {place}",
        f"    or poptalk {learn}{place}",
        "",
        *(f"    {name:<10}{value}" for name, value in (*rows, *more)),
        "",
    ]
    if all(is_loopback(listener.host) for listener in server.listeners):
        lines.append("Only this machine; --listen 0.0.0.0 lets others in.")
    elif not addresses:
        lines.append("This machine's address was not found; look in its network settings.")
    elif addresses[1:]:
        lines.append(f"The same server: {', '.join(addresses[1:])}")
    return lines


MOST_ACCOUNTS = 8
"""How many accounts are named in a line."""


def _accounts_shown(server: Server) -> str:
    shown = [
        f"{account.name}/{account.password if is_public(account) else MASK.decode('ascii')}"
        for account in server.accounts[:MOST_ACCOUNTS]
    ]
    more = len(server.accounts) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _listener_rows(server: Server) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for listener in server.listeners:
        if ("host", listener.host) not in rows:
            rows.append(("host", listener.host))
        if listener.implicit_tls:
            rows.append(("TLS port", str(listener.port)))
        else:
            rows.append(("port", f"{listener.port} (in the clear; STLS switches to TLS)"))
    return rows
