"""Make the manual page and the shell completions from the parser, so that neither can be out of date.

    python -m tools.make_manual

writes docs/poptalk.1 and docs/completions/.  They are committed, because a wheel installs them; a test
compares them with what the parser gives now.

The roff is written here and not by argparse-manpage: that program takes its texts from argparse's help
formatter, whose layout changes from one Python to the next, and it knows nothing of the local commands,
which are half of the manual.  The completions are shtab's, whose version is pinned for the same reason.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import shtab

from poptalk import __version__
from poptalk.cli.options import COMMANDS
from poptalk.cli.parser import DESCRIPTION, EXIT_CODES, add_arguments, build_parser
from poptalk.lesson.author.record import Recording
from poptalk.lesson.ui.start import prose_command
from poptalk.pop3.commands import VERBS
from poptalk.practice.accounts import BOB
from poptalk.practice.persona import shipped_personas
from poptalk.shell.commands.general import LOCAL_COMMANDS
from poptalk.shell.commands.registry import LocalCommand

DOCUMENTS = Path(__file__).resolve().parent.parent / "docs"

PERSONAS = " ".join(shipped_personas())

PREAMBLE = {
    "bash": f"""\
_poptalk_hosts() {{
  compgen -A hostname -- "$1"
}}

_poptalk_personas() {{
  compgen -W "{PERSONAS}" -- "$1"
  compgen -f -X '!*.toml' -- "$1"
}}
""",
    "zsh": f"""\
_poptalk_personas() {{
  _alternative 'names:persona:({PERSONAS})' 'files:file:_files -g "*.toml"'
}}
""",
}
"""Functions of a shell that complete what shtab has no word for."""

HOSTS = {"bash": "_poptalk_hosts", "zsh": "_hosts", "tcsh": "x:host"}

COMPLETED_BY = {
    "FILE": shtab.FILE,
    "DIR": shtab.DIRECTORY,
    "NAME|FILE": {"bash": "_poptalk_personas", "zsh": "_poptalk_personas", "tcsh": "f"},
    "HOST [PORT] | URL": HOSTS,
}
"""How a value is completed, by what `--help` calls it."""

_LAST = max(COMMANDS)

ZSH_CHANGES = {
    "  _describe 'poptalk commands' _commands\n": (
        "  _describe 'poptalk commands' _commands\n  _hosts\n"
    ),
    f"_poptalk_{_LAST}_options ;;\n      esac\n": (
        f"_poptalk_{_LAST}_options ;;\n"
        "        *) _arguments -C -s $_shtab_poptalk_connect_options ;;\n      esac\n"
    ),
}
"""What shtab has no way to say: a first word that is no command is a host, with connect's options."""

COMPLETIONS = {
    "bash": DOCUMENTS / "completions" / "poptalk.bash",
    "zsh": DOCUMENTS / "completions" / "_poptalk",
    "tcsh": DOCUMENTS / "completions" / "poptalk.tcsh",
}
"""Where the completions of a shell lie; a wheel installs those of bash and zsh."""

MANUAL = DOCUMENTS / "poptalk.1"


def every_local_command() -> list[LocalCommand]:
    """Return every local command, that of `poptalk lessons record` as well."""
    return [*LOCAL_COMMANDS.values(), prose_command(Recording(account=BOB))]


def main() -> int:
    """Write every document; return the exit code."""
    for path, text in documents().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        print(path)
    return 0


def documents() -> Mapping[Path, str]:
    """Make the text of every document."""
    texts = {path: completion(shell) for shell, path in COMPLETIONS.items()}
    return {MANUAL: "\n".join(manual()) + "\n", **texts}


# The completions.


def completion(shell: str) -> str:
    """Make the completions of a shell."""
    text = shtab.complete(
        completed_parser(), shell, root_prefix="poptalk", preamble=PREAMBLE.get(shell, "")
    )
    text = "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
    for before, after in (ZSH_CHANGES if shell == "zsh" else {}).items():
        if text.count(before) != 1:
            raise SystemExit(f"shtab writes its completions for zsh in another way now: {before!r}")
        text = text.replace(before, after)
    return text


def completed_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands, with those options that may stand without a command.

    The target is suppressed there: shtab would take it for all that can be the first word.
    """
    parser = build_parser()
    add_arguments(parser, COMMANDS["connect"])
    for action in actions(parser):
        if action.dest == "target":
            action.help = argparse.SUPPRESS
    for part in parsers(parser):
        for action in actions(part):
            if str(action.metavar) in COMPLETED_BY:
                action.complete = COMPLETED_BY[str(action.metavar)]  # type: ignore[attr-defined]
    return parser


def actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return the arguments of a parser, for which argparse has no public name; shtab does the same."""
    return parser._actions


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of the commands by name."""
    for action in actions(parser):
        if isinstance(action.choices, dict):
            return action.choices
    return {}


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Give a parser, those of its commands, and those of their subcommands."""
    yield parser
    for command in commands(parser).values():
        yield from parsers(command)


# The manual.


def manual() -> Iterator[str]:
    """Give the lines of the manual page."""
    parser = build_parser()
    yield '.\\" Made by tools/make_manual.py from the parser: change that, and make it again.'
    yield f'.TH POPTALK 1 "" "poptalk {__version__}" "User Commands"'
    yield from section("NAME", ["poptalk \\- talk POP3 by hand, and understand the answers"])
    yield from section("SYNOPSIS", synopsis(parser))
    yield from section("DESCRIPTION", paragraphs(DESCRIPTION, WITHOUT_A_COMMAND))
    yield from section("OPTIONS", options(parser))
    for name, command in commands(parser).items():
        yield from section(f"POPTALK {name.upper()}", about_command(name, command))
    yield from section("LOCAL COMMANDS", local_commands())
    yield from section("COMMANDS OF POP3", verbs())
    yield from section("EXIT STATUS", exit_codes())
    yield from section("ENVIRONMENT", tagged(ENVIRONMENT))
    yield from section("FILES", tagged(FILES))
    yield from section("SEE ALSO", paragraphs(SEE_ALSO))


WITHOUT_A_COMMAND = (
    "Without a command, connect is meant; without a target it opens the practice server, which runs in "
    "the same process on the loopback interface. A line that does not begin with a colon goes to the "
    "server octet for octet with CRLF behind it, an empty one too. With standard input or output not a "
    "terminal, the lines of standard input are sent one by one, each after the complete reply to the "
    "one before, and standard output has the server's octets exactly."
)

ENVIRONMENT = {
    "POPTALK_PASSWORD": "The password that run sends for {password}, and learn on your own server.",
    "POPTALK_COLOR": "auto, always or never, where --color does not say.",
    "NO_COLOR": "No colours, if it is not empty.",
    "FORCE_COLOR, CLICOLOR_FORCE": "Colours also where the output is no terminal.",
    "TERM": "dumb or unknown: never redraw, as with --plain, and no colours.",
    "XDG_STATE_HOME": "Where the history lies; ~/.local/state by default.",
}

FILES = {
    "~/.local/state/poptalk/history": (
        "The lines that were typed, except those with a secret in them. Only its owner can read it. "
        "Other systems than Linux have a folder of their own for such files."
    ),
}

SEE_ALSO = "RFC 1939 (POP3), RFC 2449 (CAPA), RFC 2595 (STLS), RFC 5034 (AUTH), RFC 8314 (TLS)."


def section(title: str, lines: Iterator[str] | list[str]) -> Iterator[str]:
    """Give a section."""
    yield f".SH {quoted(title)}"
    yield from lines


def synopsis(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Give the ways to call poptalk."""
    usage = (parser.usage or "").splitlines()
    for number, line in enumerate(line.strip() for line in usage):
        if number:
            yield ".br"
        yield escaped(line)


def paragraphs(*texts: str) -> Iterator[str]:
    """Give paragraphs."""
    for text in texts:
        yield ".PP"
        yield escaped(text)


def tagged(rows: Mapping[str, str]) -> Iterator[str]:
    """Give a list of terms, each with what it means."""
    for term, meaning in rows.items():
        yield ".TP"
        yield f".B {quoted(term)}"
        yield escaped(meaning)


def options(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Give what stands on the command line, but for the commands themselves."""
    yield from tagged(
        {
            invocation(action): sentence((action.help or "") % {**vars(action), "prog": "poptalk"})
            for action in actions(parser)
            if not isinstance(action.choices, dict)
        }
    )


def invocation(action: argparse.Action) -> str:
    """Return how an argument is written, such as `--log FILE`."""
    value = str(action.metavar) if action.metavar else ""
    if action.choices and not value:
        value = "|".join(str(choice) for choice in action.choices)
    return " ".join(part for part in (", ".join(action.option_strings), value) if part)


def about_command(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    """Give the section of a command."""
    yield from paragraphs(parser.description or "")
    yield from options(parser)
    for word, subcommand in commands(parser).items():
        yield f".SS {quoted(f'poptalk {name} {word}')}"
        yield from paragraphs(subcommand.description or "")
        yield from options(subcommand)
    yield from paragraphs("For example:")
    yield ".nf"
    yield from (escaped(line) for line in COMMANDS[name].example.splitlines())
    yield ".fi"


def local_commands() -> Iterator[str]:
    """Give the local commands, with the same texts as `:help`."""
    yield from paragraphs(
        "These lines of the shell are not sent. To send a line that begins with a colon, double it."
    )
    yield from tagged({f":{c.usage}": c.details for c in every_local_command()})


def verbs() -> Iterator[str]:
    """Give the commands of POP3 from the table."""
    yield from paragraphs(
        "What is typed is sent, whether it stands here or not. :help COMMAND says more of each."
    )
    yield from tagged(
        {
            verb.syntax: sentence(f"{verb.summary} [{verb.clause}]")
            for verb in VERBS.values()
            if not verb.relic
        }
    )


def exit_codes() -> Iterator[str]:
    """Give the exit codes."""
    rows = (line.split(maxsplit=1) for line in EXIT_CODES.splitlines()[1:])
    yield from tagged({code: sentence(meaning) for code, meaning in rows})


def sentence(text: str) -> str:
    """Return a text with a capital in front and a full stop behind."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def quoted(text: str) -> str:
    """Return a text as one argument of a macro."""
    return '"{}"'.format(escaped(text).replace('"', "\\(dq"))


def escaped(text: str) -> str:
    """Return a text as roff prints it: hyphens can be copied, nothing is a request."""
    plain = (
        text.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti").replace("'", "\\(aq")
    )
    return f"\\&{plain}" if plain.startswith(".") else plain


if __name__ == "__main__":
    sys.exit(main())
