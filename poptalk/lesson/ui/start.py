"""`poptalk learn` and `poptalk lessons record`: finds the lesson and its server, and opens the shell."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from getpass import getpass
from typing import TYPE_CHECKING

from poptalk.exit_codes import EXIT_OK
from poptalk.lesson import server
from poptalk.lesson.author.command import begin_lesson, lesson_path, title_of, what_is_left
from poptalk.lesson.author.record import Recording, write_lesson
from poptalk.lesson.document.model import BlockKind, Lesson, LessonErrors, named_for
from poptalk.lesson.document.parser import DEFAULT_PERSONA, load_lesson
from poptalk.lesson.library import LessonNotFound, find_lesson, in_own_mailbox
from poptalk.lesson.ui.controller import is_yes
from poptalk.lesson.ui.menu import LessonHost
from poptalk.net.connection import Link
from poptalk.net.endpoint import Destination, UsageError
from poptalk.net.errors import NetError, TlsFailed
from poptalk.pop3.commands import Effect
from poptalk.pop3.events import Closed, Event
from poptalk.pop3.sasl.table import choose
from poptalk.practice.accounts import BOB
from poptalk.session.client import Client
from poptalk.session.login import Asker, LoginRequest, Refused, log_in
from poptalk.session.password import PASSWORD_VARIABLE
from poptalk.session.procedure import LocalError
from poptalk.shell.commands.registry import LocalCommand
from poptalk.shell.script import ShellSettings
from poptalk.shell.start import run_interactive, run_with_lessons
from poptalk.terminal.screen import complain
from poptalk.transcript.placeholders import Known

if TYPE_CHECKING:
    from poptalk.shell.shell import Shell

Ask = Callable[[str], str]
"""Asks a question on the terminal, and returns the answer."""

Say = Callable[[str], None]


def learn(
    word: str | None, options: ShellSettings, destination: Destination | None, *, again: bool
) -> int:
    """Open the lessons on a terminal; return the exit code.

    Args:
        word: the lesson, None for the menu.
        options: how the shell looks.
        destination: a live server, or one for a class; None for the lesson's practice server.
        again: whether the lesson is started over, whatever was done of it.

    Raises:
        UsageError: there is no such lesson, or it cannot be learnt on that server.
        ScreenClosed: the terminal is gone.
    """
    lesson, lesson_server = None, None
    if word is not None:
        lesson, lesson_server = lesson_and_server(word, destination)
    with LessonHost(first=lesson, lesson_server=lesson_server, again=again) as host:
        return run_with_lessons(options, host.begin)


def lesson_and_server(
    word: str, destination: Destination | None
) -> tuple[Lesson, server.LessonServer | None]:
    """Find a lesson, and its server if that isn't its own practice server.

    Args:
        word: the lesson.
        destination: the server that was named, if any.

    Raises:
        UsageError: there is no such lesson, or it cannot be done on that server.
    """
    lesson = _lesson(word)
    return (lesson, None) if destination is None else NamedServer(destination).prepare(lesson)


def _lesson(word: str) -> Lesson:
    try:
        return load_lesson(find_lesson(word))
    except (LessonNotFound, LessonErrors) as error:
        raise UsageError(str(error)) from error


MOST_ATTEMPTS = 3
"""How many passwords are tried: after a few, servers hang up, or slow down."""

SECONDS = 30.0
"""How long the server may take for anything while a password is tried."""

_IN_USE = "[IN-USE]"
"""The response code of a maildrop that another session has (RFC 2449 §8.1.1)."""


class NamedServer:
    """A server that was named for a lesson, and what is asked before the lesson begins there.

    Args:
        destination: the server.
        ask: asks for the name, and for a yes or no.
        ask_unseen: asks for the password.
    """

    def __init__(
        self, destination: Destination, *, ask: Ask = input, ask_unseen: Ask = getpass
    ) -> None:
        self._destination = destination
        self._ask = ask
        self._ask_unseen = ask_unseen

    def prepare(self, lesson: Lesson) -> tuple[Lesson, server.LessonServer | None]:
        """Find out whose server it is, and how a lesson is done there.

        Returns:
            The lesson as it suits the server; and the server, None where the lesson is to have its own.

        Raises:
            UsageError: it cannot be done there, or the learner does not want to.
        """
        needed = server.what_its_server_does(lesson)
        if needed is not None:
            self._begin_elsewhere(lesson, needed)
            return lesson, None
        suitable = lesson
        if lesson.own_mailbox not in ("yes", "no"):
            suitable = _lesson(str(in_own_mailbox(lesson.path, lesson.own_mailbox)))
        turns = (turn for block in suitable.blocks() for turn in block.turns)
        if self._destination.tls and any(turn.effect is Effect.START_TLS for turn in turns):
            raise UsageError(
                "in this lesson it is you who begins TLS: leave --tls out, and the port 995"
            )
        known, seen = self._who(lesson)
        if seen is not None:
            return named_for(lesson, known), server.ClassLessonServer(
                self._destination, known, seen
            )
        if any(block.deletes for block in suitable.blocks(BlockKind.PROOF)):
            needed = "messages that are there to be deleted"
        elif not suitable.suits_any_mailbox:
            needed = "the messages on its practice server"
        if needed is not None:
            self._begin_elsewhere(suitable, needed)
            return lesson, None
        return suitable, self._live(suitable, known)

    def live(self, lesson: Lesson) -> server.LiveLessonServer:
        """Ask who logs in at the server, and whether something may be deleted there.

        Raises:
            UsageError: the server lets nobody in, or nothing may be deleted.
        """
        return self._live(lesson, self._who(lesson)[0])

    def _live(self, lesson: Lesson, known: Known) -> server.LiveLessonServer:
        question = (
            f"{lesson.title}: this marks messages as deleted,\n"
            f"and here they are your own mail on {self._destination.name}.\n"
            "You will be asked again before QUIT removes them. Go on? yes or no: "
        )
        if lesson.deletes and not is_yes(self._ask(question)):
            raise UsageError(
                "nothing was deleted; without a server of your own there is mail to practise on"
            )
        return server.LiveLessonServer(self._destination, known)

    def _begin_elsewhere(self, lesson: Lesson, needed: str) -> None:
        """Ask whether to begin on the practice server.

        Raises:
            UsageError: the learner does not want to.
        """
        question = (
            f"{lesson.title}: this lesson is about {needed},\n"
            "and not for a mailbox of your own. Begin it on the practice server? yes or no: "
        )
        if not is_yes(self._ask(question)):
            raise UsageError(
                f"nothing was changed; poptalk learn {lesson.name} has a server of its own"
            )

    def _who(self, lesson: Lesson) -> tuple[Known, server.LettersSeen | None]:
        """Ask for the name and the password.

        Returns:
            Both, and which messages of the lesson are there, if there are no others.

        Raises:
            UsageError: the server lets nobody in, or cannot be reached; in its own words.
        """
        user = self._destination.user or self._ask(f"Name at {self._destination.name}: ")
        password = os.environ.get(PASSWORD_VARIABLE)
        seen: server.LettersSeen | None = None
        if password is None:
            password, seen = self._password_that_is_taken(lesson, user)
        else:
            with suppress(LocalError, NetError):
                seen = self._try(lesson, user, password)
        return Known(user=user, password=password, host=self._destination.host), seen

    def _password_that_is_taken(
        self, lesson: Lesson, user: str
    ) -> tuple[str, server.LettersSeen | None]:
        """Ask for the password, and try it at once: a slip would be in the way for the whole lesson.

        Returns:
            The password, and which messages of the lesson are there, if there are no others.

        Raises:
            UsageError: the server lets nobody in, or cannot be reached; in its own words.
        """
        question = f"Password of {user}: "
        name = self._destination.name
        in_clear = False
        for _ in range(MOST_ATTEMPTS):
            password = self._ask_unseen(question)
            try:
                try:
                    seen = self._try(lesson, user, password, in_clear=in_clear)
                except TlsFailed:
                    in_clear = not self._destination.tls and self._sees_no_harm()
                    if not in_clear:
                        raise
                    seen = self._try(lesson, user, password, in_clear=True)
            except Refused as error:
                if _IN_USE in str(error):
                    raise UsageError(
                        f"{user} is logged in at {name} already, and a mailbox is open to one "
                        "session at a time: end the other one first, or take another name"
                    ) from error
                complain(str(error))
                question = f"Password of {user}, once more: "
            except (LocalError, NetError) as error:
                raise UsageError(f"{error}".rstrip(".")) from error
            else:
                return password, seen
        raise UsageError(
            f"{name} has refused {MOST_ATTEMPTS} passwords; lesson 15 is about refusals"
        )

    def _sees_no_harm(self) -> bool:
        """Ask whether a password may be tried without TLS: the lesson sends it in the clear as well."""
        question = (
            f"The certificate of {self._destination.name} proves nothing here. In a lesson the\n"
            "password crosses in the clear anyway. Try it without TLS? yes or no: "
        )
        return is_yes(self._ask(question))

    def _try(
        self, lesson: Lesson, user: str, password: str, *, in_clear: bool = False
    ) -> server.LettersSeen | None:
        """Log in and out on a connection of its own, with TLS if there is any.

        Where the certificate proves nothing, as on a teacher's machine, a mechanism that does not show
        the password will do without TLS.  Where the server wants some time between two logins, nothing
        is tried: it would refuse the next one.

        Returns:
            Which messages of the lesson are there, if there are no others.

        Raises:
            Refused: the server takes something else.
            LocalError: it cannot be done.
            NetError: there is no connection, or no TLS.
        """
        destination = self._destination
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
                    return self._try(lesson, user, password, in_clear=True)
            capabilities = client.ask(b"CAPA").listing()
            if any(line.upper().startswith(b"LOGIN-DELAY ") for line in capabilities):
                return None
            request = LoginRequest(user=user)
            client.carry_out(log_in(client.session, request, asker=Asker(), secret=password))
            listing = client.ask(b"UIDL").listing()
            seen = server.recognise(lesson, [line.split()[-1] for line in listing if line.strip()])
            if seen is None:
                client.ask(b"QUIT")
            # Otherwise no QUIT: after one, messages arrive that the lesson has for later.
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


# `poptalk lessons record`: the shell, and at its end a lesson made of what was said.  Without a target
# the session runs on the practice server that the lesson will have: the same mail, account and persona.


DEFAULT_MAILBOX = "article"
"""The mailbox of a lesson that is recorded, unless another is named."""

_WELCOME = (
    "This session becomes a lesson: each command a step, for you to put words to.",
    ":prose TEXT puts a paragraph above the next command; :quit or Ctrl-D ends the session.",
)


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
        mailbox: the folder of the lesson's messages.
        persona: of the lesson's practice server.
        say: prints a line when all is over.

    Raises:
        UsageError: the file cannot be written, or there is no such mailbox or persona.
        NetError: the first connection failed.
        ScreenClosed: the terminal is gone.
    """
    path = lesson_path(name)
    recording = Recording(account=BOB, user=destination.user if destination else None)
    to_come = Lesson(
        name=path.stem,
        path=path,
        title=title_of(path.stem),
        mailbox=mailbox,
        persona=persona,
        user=BOB.name,
        password=BOB.password,
    )
    where = None if destination is None else str(destination)
    # The file is made at once, so that nobody else makes it meanwhile.
    begin_lesson(path)
    try:
        with ExitStack() as opened:
            if destination is None:
                practice_server = opened.enter_context(server.PracticeLessonServer(to_come))
                destination = practice_server.fresh()
            run_interactive(
                options,
                destination,
                prepare=lambda shell: _listen(shell, recording),
                welcome=_WELCOME,
            )
    except server.LessonServerError as error:
        # There is no line of a lesson yet that could be named.
        raise UsageError(error.sentence) from error
    finally:
        if recording.exchanges:
            text = write_lesson(recording, to_come, where=where)
            path.write_text(text, encoding="utf-8", newline="\n")
        else:
            path.unlink(missing_ok=True)
    if recording.exchanges:
        count = f"{recording.exchanges} step{'' if recording.exchanges == 1 else 's'}"
        say(f"{path} is written, with {count}. {what_is_left(path)}")
    else:
        say(f"Nothing was sent, and {path} was not written.")
    return EXIT_OK


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
        recording.prose.append(argument)
        shell.view.remark("this will be above the next command")

    return LocalCommand(name="prose", usage="prose TEXT", action=prose)
