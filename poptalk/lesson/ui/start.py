"""`poptalk lessons record FILE`: the shell, and at its end a lesson made of what was said.

Without a target the session runs on the practice server that the lesson will have: the same messages,
the same account, the same persona.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING

from poptalk.exit_codes import EXIT_OK
from poptalk.lesson.author.command import begin_lesson, lesson_path, title_of, what_is_left
from poptalk.lesson.author.record import Recording, write_lesson
from poptalk.lesson.document.model import Block, BlockKind, Lesson, LessonErrors, named_for
from poptalk.lesson.document.parser import DEFAULT_PERSONA, load_lesson
from poptalk.lesson.library import LessonNotFound, find_lesson, in_own_mailbox
from poptalk.lesson.server import (
    ClassLessonServer,
    LessonServer,
    LessonServerError,
    LettersSeen,
    LiveLessonServer,
    PracticeLessonServer,
    recognise,
    what_its_server_does,
)
from poptalk.lesson.ui.controller import is_yes
from poptalk.lesson.ui.menu import LessonHost
from poptalk.login.password import PASSWORD_VARIABLE
from poptalk.net.connection import Link
from poptalk.net.endpoint import Destination, UsageError
from poptalk.net.errors import NetError, TlsFailed
from poptalk.pop3.commands import Effect
from poptalk.pop3.events import Closed, Event
from poptalk.pop3.sasl.table import choose
from poptalk.practice.accounts import BOB
from poptalk.session.client import Client
from poptalk.session.login import Asker, LoginRequest, Refused, log_in
from poptalk.session.procedure import LocalError
from poptalk.shell.commands.registry import LocalCommand
from poptalk.shell.script import ShellSettings
from poptalk.shell.start import run_interactive, run_with_lessons
from poptalk.terminal.screen import complain
from poptalk.transcript.placeholders import Known

if TYPE_CHECKING:
    from poptalk.shell.shell import Shell

# `poptalk learn`: finds the lesson, and the server if it is the learner's own, and opens the shell.


Ask = Callable[[str], str]
"""Asks a question on the terminal, and returns the answer."""


def learn(
    word: str | None,
    options: ShellSettings,
    destination: Destination | None,
    *,
    again: bool = False,
    ask: Ask = input,
    ask_unseen: Ask = getpass,
) -> int:
    """Open the lessons on a terminal; return the exit code.

    Args:
        word: the lesson, None for the menu.
        options: how the shell looks.
        destination: a live server, or one for a class; None for the lesson's practice server.
        again: whether the lesson is started over, whatever was done of it.
        ask: asks for the name, and whether a lesson may delete mail.
        ask_unseen: asks for the password.

    Raises:
        UsageError: there is no such lesson, or it cannot be learnt on that server.
        ScreenClosed: the terminal is gone.
    """
    lesson, lesson_server = None, None
    if word is not None:
        lesson, lesson_server = lesson_and_server(word, destination, ask=ask, ask_unseen=ask_unseen)
    with LessonHost(first=lesson, lesson_server=lesson_server, again=again) as host:
        return run_with_lessons(options, host.begin)


def lesson_and_server(
    word: str, destination: Destination | None, *, ask: Ask, ask_unseen: Ask
) -> tuple[Lesson, LessonServer | None]:
    """Find a lesson, and how it is done on a server; arguments as for `learn`.

    Returns:
        The lesson as it suits the server; and the server, None where the lesson is to have its own.

    Raises:
        UsageError: there is no such lesson, or it cannot be done on that server.
    """
    lesson = _lesson(word)
    if destination is None:
        return lesson, None
    return find_server(lesson, destination, ask=ask, ask_unseen=ask_unseen)


def _lesson(word: str) -> Lesson:
    try:
        return load_lesson(find_lesson(word))
    except (LessonNotFound, LessonErrors) as error:
        raise UsageError(str(error)) from error


def find_server(
    lesson: Lesson, destination: Destination, *, ask: Ask, ask_unseen: Ask
) -> tuple[Lesson, LessonServer | None]:
    """Find out whose server it is, and how a lesson is done there.

    Returns:
        The lesson as it suits the server; and the server, None where the lesson is to have its own.

    Raises:
        UsageError: it cannot be done there, or the learner does not want to.
    """
    needed = what_its_server_does(lesson)
    if needed is not None:
        _begin_elsewhere(lesson, needed, ask)
        return lesson, None
    suitable = _for_any_mailbox(lesson)
    if destination.tls and any(_begins_tls(block) for block in suitable.blocks()):
        raise UsageError(
            "in this lesson it is you who begins TLS: leave --tls out, and the port 995"
        )
    known, seen = _who(lesson, destination, ask=ask, ask_unseen=ask_unseen)
    if seen is not None:
        return named_for(lesson, known), ClassLessonServer(destination, known, seen)
    needed = _what_its_mailbox_has(suitable)
    if needed is not None:
        _begin_elsewhere(suitable, needed, ask)
        return lesson, None
    return suitable, _live_server(suitable, destination, known, ask)


def live_server(
    lesson: Lesson, destination: Destination, *, ask: Ask, ask_unseen: Ask
) -> LiveLessonServer:
    """Ask who logs in at a server, and whether something may be deleted there.

    Raises:
        UsageError: the server lets nobody in, or nothing may be deleted.
    """
    known, _ = _who(lesson, destination, ask=ask, ask_unseen=ask_unseen)
    return _live_server(lesson, destination, known, ask)


def _live_server(
    lesson: Lesson, destination: Destination, known: Known, ask: Ask
) -> LiveLessonServer:
    if lesson.deletes and not _agrees(lesson, destination, ask):
        raise UsageError(
            "nothing was deleted; without a server of your own there is mail to practise on"
        )
    return LiveLessonServer(destination, known)


def _who(
    lesson: Lesson, destination: Destination, *, ask: Ask, ask_unseen: Ask
) -> tuple[Known, LettersSeen | None]:
    """Ask for the name and the password.

    Returns:
        Both, and which letters of the lesson are there, if no others are.

    Raises:
        UsageError: the server lets nobody in, or cannot be reached; in its own words.
    """
    user = destination.user or ask(f"Name at {destination.name}: ")
    password = os.environ.get(PASSWORD_VARIABLE)
    seen: LettersSeen | None = None
    if password is None:
        password, seen = _password_that_is_taken(
            lesson, destination, user, ask=ask, ask_unseen=ask_unseen
        )
    else:
        with suppress(LocalError, NetError):
            seen = _try(lesson, destination, user, password)
    return Known(user=user, password=password, host=destination.host), seen


MOST_ATTEMPTS = 3
"""Passwords that are tried: servers hang up, or slow down, after a few."""

SECONDS = 30.0
"""How long the server may take for anything while a password is tried."""


def _password_that_is_taken(
    lesson: Lesson, destination: Destination, user: str, *, ask: Ask, ask_unseen: Ask
) -> tuple[str, LettersSeen | None]:
    """Ask for the password, and try it at once: a slip would be in the way for the whole lesson.

    Returns:
        The password, and which letters of the lesson are there, if no others are.

    Raises:
        UsageError: the server lets nobody in, or cannot be reached; in its own words.
    """
    question = f"Password of {user}: "
    in_clear = False
    for _ in range(MOST_ATTEMPTS):
        password = ask_unseen(question)
        try:
            try:
                seen = _try(lesson, destination, user, password, in_clear=in_clear)
            except TlsFailed:
                in_clear = not destination.tls and _sees_no_harm(destination, ask)
                if not in_clear:
                    raise
                seen = _try(lesson, destination, user, password, in_clear=True)
        except Refused as error:
            if _IN_USE in str(error):
                raise UsageError(
                    f"{user} is logged in at {destination.name} already, and a mailbox is open to one "
                    "session at a time: end the other one first, or take another name"
                ) from error
            complain(str(error))
            question = f"Password of {user}, once more: "
        except (LocalError, NetError) as error:
            raise UsageError(f"{error}".rstrip(".")) from error
        else:
            return password, seen
    raise UsageError(
        f"{destination.name} has refused {MOST_ATTEMPTS} passwords; lesson 15 is about refusals"
    )


def _sees_no_harm(destination: Destination, ask: Ask) -> bool:
    """Ask whether a password may be tried without TLS: in a lesson it crosses in the clear as well."""
    question = (
        f"The certificate of {destination.name} proves nothing here. In a lesson the\n"
        "password crosses in the clear anyway. Try it without TLS? yes or no: "
    )
    return is_yes(ask(question))


_IN_USE = "[IN-USE]"
"""The response code of a maildrop that another session has (RFC 2449 §8.1.1)."""


def _try(
    lesson: Lesson, destination: Destination, user: str, password: str, *, in_clear: bool = False
) -> LettersSeen | None:
    """Log in and out on a connection of its own, with TLS if there is any.

    Where the certificate proves nothing, as on a teacher's machine, a mechanism will do that does not
    show the password.  Where the server wants some time between two logins, nothing is tried: the next
    would be refused.

    Returns:
        Which letters of the lesson are there, if no others are.

    Raises:
        Refused: the server takes something else.
        LocalError: it cannot be done.
        NetError: there is no connection, or no TLS.
    """
    settings = destination.tls_settings() if destination.tls else None
    with Link.open(destination.target, timeout=SECONDS, tls=settings) as link:
        client = Client(link, destination)
        client.greeting()
        offered = [line.strip().upper() for line in client.ask(b"CAPA").listing()]
        may_be_seen = not (destination.tls or destination.is_loopback)
        if b"STLS" in offered and (may_be_seen or b"USER" not in offered) and not in_clear:
            hides_password = _hides_password(client, offered)
            try:
                client.require_tls()
            except TlsFailed:
                if not hides_password:
                    raise
                return _try(lesson, destination, user, password, in_clear=True)
        if any(line.upper().startswith(b"LOGIN-DELAY ") for line in client.ask(b"CAPA").listing()):
            return None
        request = LoginRequest(user=user)
        client.carry_out(log_in(client.session, request, asker=Asker(), secret=password))
        unique_ids = [line.split()[-1] for line in client.ask(b"UIDL").listing() if line.strip()]
        seen = recognise(lesson, unique_ids)
        if seen is None:
            client.ask(b"QUIT")
        # Otherwise no QUIT: after one, letters come in that the lesson has for later.
        return seen


def _hides_password(client: Client, offered: list[bytes]) -> bool:
    """Tell whether the mechanism that a login would take does not show the password."""
    sasl = [line.split()[1:] for line in offered if line.startswith(b"SASL ")]
    method = choose(
        mechanisms=sasl[0] if sasl else None,
        user_pass=b"USER" in offered,
        timestamp=client.session.core.timestamp is not None,
        encrypted=False,
        token=False,
    )
    return method is not None and not method.readable


def _begins_tls(block: Block) -> bool:
    return any(turn.effect is Effect.START_TLS for turn in block.turns)


def _for_any_mailbox(lesson: Lesson) -> Lesson:
    """Return the lesson as it suits any mailbox, or itself where there is no such lesson.

    Raises:
        UsageError: the lesson that takes its place is wrong.
    """
    if lesson.own_mailbox in ("yes", "no"):
        return lesson
    return _lesson(str(in_own_mailbox(lesson.path, lesson.own_mailbox)))


def _begin_elsewhere(lesson: Lesson, needed: str, ask: Ask) -> None:
    """Ask whether to begin on the practice server.

    Raises:
        UsageError: the learner does not want to.
    """
    question = (
        f"{lesson.title}: this lesson is about {needed},\n"
        "and not for a mailbox of your own. Begin it on the practice server? yes or no: "
    )
    if not is_yes(ask(question)):
        raise UsageError(
            f"nothing was changed; poptalk learn {lesson.name} has a server of its own"
        )


def _what_its_mailbox_has(lesson: Lesson) -> str | None:
    """Say what a lesson's mailbox has that others have not; None where any mailbox will do."""
    if any(block.deletes for block in lesson.blocks(BlockKind.PROOF)):
        return "messages that are there to be deleted"
    return None if lesson.suits_any_mailbox else "the messages on its practice server"


def _agrees(lesson: Lesson, destination: Destination, ask: Ask) -> bool:
    question = (
        f"{lesson.title}: this marks messages as deleted,\n"
        f"and here they are your own mail on {destination.name}.\n"
        "You will be asked again before QUIT removes them. Go on? yes or no: "
    )
    return is_yes(ask(question))


Say = Callable[[str], None]

DEFAULT_MAILBOX = "article"
"""The letters of a lesson that is recorded, unless others are named."""


def record(
    name: str,
    options: ShellSettings,
    destination: Destination | None,
    *,
    mailbox: str = DEFAULT_MAILBOX,
    persona: str = DEFAULT_PERSONA,
    say: Say,
) -> int:
    """Open the shell, and write what was said into a new lesson; return the exit code.

    Args:
        name: the file to write, with or without `.md`; it must not exist.
        options: how the shell looks.
        destination: a live server; None for the lesson's practice server.
        mailbox: the folder of letters of the lesson.
        persona: of the lesson's practice server.
        say: prints a line when all is over.

    Raises:
        UsageError: the file cannot be written, or there is no such mailbox or persona.
        NetError: the first connection failed.
        ScreenClosed: the terminal is gone.
    """
    path = lesson_path(name)
    recording = Recording(account=BOB, user=destination.user if destination else None)
    where = None if destination is None else str(destination)
    with _reserved(path), _connection(path, destination, mailbox, persona) as way:
        try:
            run_interactive(
                options, way, prepare=lambda shell: _listen(shell, recording), welcome=_WELCOME
            )
        finally:
            if recording.exchanges:
                title = title_of(path.stem)
                text = write_lesson(
                    recording, title=title, mailbox=mailbox, persona=persona, where=where
                )
                path.write_text(text, encoding="utf-8", newline="\n")
    say(_result(path, recording))
    return EXIT_OK


_WELCOME = (
    "This session becomes a lesson: each command a step, for you to put words to.",
    ":prose TEXT puts a paragraph above the next command; :quit or Ctrl-D ends the session.",
)


def _result(path: Path, recording: Recording) -> str:
    if not recording.exchanges:
        return f"Nothing was sent, and {path} was not written."
    count = f"{recording.exchanges} step{'' if recording.exchanges == 1 else 's'}"
    return f"{path} is written, with {count}. {what_is_left(path)}"


def _listen(shell: Shell, recording: Recording) -> None:
    """Let a recording hear what is said in a shell."""

    def take(event: Event) -> None:
        recording.take(event)
        if isinstance(event, Closed) and shell.session.ending is not None:
            recording.end(shell.session.ending)

    shell.commands = {**shell.commands, "prose": prose_command(recording)}
    shell.session.listeners.append(take)


def prose_command(recording: Recording) -> LocalCommand:
    """Return the local command `:prose`, which belongs to sessions that become a lesson."""

    def prose(shell: Shell, argument: str) -> None:
        """Put a paragraph into the lesson, above the next command.

        It is a line of Markdown; :prose again begins another paragraph.
        """
        if not argument:
            raise LocalError("say what the lesson is to say: :prose Now ask for the list.")
        recording.add_prose(argument)
        shell.view.remark("this will be above the next command")

    return LocalCommand(name="prose", usage="prose TEXT", action=prose)


@contextmanager
def _reserved(path: Path) -> Iterator[None]:
    """Make the file, so that nobody else does meanwhile; take it away if it stays empty."""
    begin_lesson(path)
    try:
        yield
    finally:
        if not path.stat().st_size:
            path.unlink()


@contextmanager
def _connection(
    path: Path, destination: Destination | None, mailbox: str, persona: str
) -> Iterator[Destination]:
    """Give the server: the one that is named, or the practice server of the lesson to come."""
    if destination is not None:
        yield destination
        return
    to_come = Lesson(
        name=path.stem,
        path=path,
        title=title_of(path.stem),
        mailbox=mailbox,
        persona=persona,
        user=BOB.name,
        password=BOB.password,
    )
    with ExitStack() as open_:
        try:
            practice_server = open_.enter_context(PracticeLessonServer(to_come))
        except LessonServerError as error:
            # There is no line of a lesson yet that could be named.
            raise UsageError(error.sentence) from error
        yield practice_server.fresh()
