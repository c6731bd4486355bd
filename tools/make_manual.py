"""Make the man page, the manual's reference pages and the shell completions from the program's tables.

    python -m tools.make_manual

writes docs/poptalk.1, docs/reference/ and docs/completions/.  They are committed, because a wheel
installs them and people read them in the repository; a test compares them with what the tables give now.

The man page and the reference pages are two forms of the same parts: a title, paragraphs, and rows of
terms with their meaning.  The roff is written here and not by argparse-manpage: that program takes its
texts from argparse's help formatter, whose layout changes from one Python to the next, and it knows
nothing of the local commands.  The completions are shtab's, whose version is pinned for the same reason.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import shtab

from poptalk import __version__
from poptalk.cli.options import COMMANDS, CONNECT, PASSWORD, REACHING, SCREEN, Option
from poptalk.cli.parser import DESCRIPTION, EXIT_CODES, add_arguments, build_parser
from poptalk.lesson.author.record import Recording
from poptalk.lesson.ui.start import prose_command
from poptalk.net.endpoint import PROXY_VARIABLE
from poptalk.net.saved import KEYS
from poptalk.pop3.commands import VERBS
from poptalk.practice.accounts import BOB
from poptalk.practice.faults.plan import FAULTS, INTRODUCTION
from poptalk.practice.persona import load_persona, shipped_personas
from poptalk.session.password import PASSWORD_VARIABLE
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

REFERENCE = DOCUMENTS / "reference"


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
    pages = {REFERENCE / f"{name}.md": page(title, parts) for name, title, parts in reference()}
    return {MANUAL: "\n".join(manual()) + "\n", **pages, **texts}


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


# The parts of which the man page and the reference pages are made.


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A title with paragraphs, a list of terms, and examples."""

    title: str
    paragraphs: tuple[str, ...] = ()
    rows: Mapping[str, str] = field(default_factory=dict)
    """Terms, each with its meaning."""
    columns: tuple[str, str] = ("option", "meaning")
    """The heads of the table on a page."""
    example: str = ""


SHARED = {
    "Reaching a server": REACHING,
    "Screen and log": SCREEN,
    "Passwords": PASSWORD,
}
"""Options that several commands take; each is described once."""

WITHOUT_A_COMMAND = (
    "Without a command, connect is meant; poptalk alone opens the lessons. Without a target, "
    "connect opens the practice server, which runs in the same process on the loopback "
    "interface. A line that does not begin with a colon goes to the server octet for octet, "
    "followed by CRLF; so does an empty line. If standard input or output is not a terminal, the "
    "lines of standard input are sent one by one, each after the complete reply to the one "
    "before, and standard output has exactly the server's octets."
)

ENVIRONMENT = {
    PASSWORD_VARIABLE: "The password, unless an option says where it comes from.",
    f"{PASSWORD_VARIABLE}_A, {PASSWORD_VARIABLE}_B": "The passwords of the two servers of poptalk diff.",
    PROXY_VARIABLE: (
        "The proxy, unless --proxy names one. A password in its URL is seen by nobody else here."
    ),
    "POPTALK_COLOR": "auto, always or never, unless --color says.",
    "NO_COLOR": "No colours, if it is not empty.",
    "FORCE_COLOR, CLICOLOR_FORCE": "Colours even if the output is not a terminal.",
    "TERM": "dumb or unknown: never redraw, as with --plain, and no colours.",
    "COLUMNS": "The width of --help, if it is not the terminal's.",
    "XDG_STATE_HOME": "The folder of history and progress; ~/.local/state by default.",
    "XDG_CONFIG_HOME": "The folder of servers.toml; ~/.config by default.",
}

FILES = {
    "~/.local/state/poptalk/history": (
        "The lines that were typed, except those with a secret in them. Only its owner can read it."
    ),
    "~/.local/state/poptalk/progress.jsonl": (
        "What a learner has done: one line of JSON for each event, with the keys v, time, "
        "lesson, step, step_hash, event (start, pass, miss, aside, hint, shown, lost, end) and "
        "attempt. It holds no mail and no password. Delete it to start all lessons again."
    ),
    "~/.config/poptalk/servers.toml": (
        "Servers that have a name, a table each. poptalk writes to it with --save NAME only, and "
        "never changes an entry."
    ),
    "~/.netrc": "Passwords for --netrc. It must be readable by its owner alone.",
}

ELSEWHERE = "Systems other than Linux have folders of their own for such files."

KEY_MEANINGS = {
    "host": "The server's name or address.",
    "port": "The port; 110, or 995 with tls, if it is left out.",
    "user": "Who logs in; the password is asked for, or comes from where an option says.",
    "pins": "A list of what --pin takes.",
    "family": "4 or 6: that version of IP only.",
}
"""Keys of servers.toml that are not named exactly as an option."""

SAVED_EXAMPLE = """\
  [work]
  host = "mail.example.org"
  tls = true
  user = "bob"
"""

REPORTING = (
    "Say what you typed, what came and what you expected. :report prints the versions and the "
    "last exchange, without secrets and message contents. A vulnerability is reported in "
    "private: see SECURITY.md in the source."
)

SEE_ALSO = "RFC 1939 (POP3), RFC 2449 (CAPA), RFC 2595 (STLS), RFC 5034 (AUTH), RFC 8314 (TLS)."


def option_parts(parser: argparse.ArgumentParser) -> Iterator[Part]:
    """Give the options: those of all commands, each command's, and those that several share."""
    yield Part(title="Options of every command", rows=option_rows(parser))
    for name, command in commands(parser).items():
        example = "\n".join(f"  {line}" for line in COMMANDS[name].example)
        yield from command_parts(f"poptalk {name}", command, example=example)
    for title, shared in SHARED.items():
        yield Part(title=title, rows=dict(map(described, shared)))


def command_parts(
    name: str, parser: argparse.ArgumentParser, *, example: str = ""
) -> Iterator[Part]:
    """Give a command with its options, and its subcommands."""
    flags = {flag for action in actions(parser) for flag in action.option_strings}
    taken = {
        title: {flag for option in shared for flag in option.flags}
        for title, shared in SHARED.items()
        if all(set(option.flags) <= flags for option in shared)
    }
    left_out = {"-h"}.union(*taken.values())
    also = f"It also takes the options of: {', '.join(taken)}." if taken else ""
    yield Part(
        title=name,
        paragraphs=tuple(text for text in (parser.description or "", also) if text),
        rows=option_rows(parser, left_out=left_out),
        example=example,
    )
    for word, subcommand in commands(parser).items():
        yield from command_parts(f"{name} {word}", subcommand)


def option_rows(
    parser: argparse.ArgumentParser, *, left_out: Collection[str] = ()
) -> dict[str, str]:
    """Return the arguments of a parser, except its commands and some flags."""
    return {
        invocation(action): sentence((action.help or "") % {**vars(action), "prog": "poptalk"})
        for action in actions(parser)
        if not isinstance(action.choices, dict) and not set(action.option_strings) & set(left_out)
    }


def described(option: Option) -> tuple[str, str]:
    """Return an option of the table as a row."""
    value = option.metavar or "|".join(option.choices or ())
    return " ".join(part for part in (", ".join(option.flags), value) if part), sentence(
        option.help
    )


def invocation(action: argparse.Action) -> str:
    """Return how an argument is written, such as `--log FILE`."""
    value = str(action.metavar) if action.metavar else ""
    if action.choices and not value:
        value = "|".join(str(choice) for choice in action.choices)
    return " ".join(part for part in (", ".join(action.option_strings), value) if part)


def local_commands() -> Part:
    """Return the local commands, with the same texts as `:help`."""
    return Part(
        title="Local commands",
        paragraphs=(
            "These lines of the shell are not sent. To send a line that begins with a colon, "
            "double it.",
        ),
        rows={f":{command.usage}": command.details for command in every_local_command()},
        columns=("you type", "poptalk does"),
    )


def pop3_commands() -> Part:
    """Return the commands of POP3 from the table."""
    return Part(
        title="Commands of POP3",
        paragraphs=(
            "What you type is sent, whether it is listed here or not. :help COMMAND says more of "
            "each.",
        ),
        rows={
            verb.syntax: sentence(f"{verb.summary} [{verb.clause}]")
            for verb in VERBS.values()
            if not verb.relic
        },
        columns=("command", "meaning"),
    )


def exit_codes() -> Part:
    """Return the exit codes."""
    rows = (line.split(maxsplit=1) for line in EXIT_CODES.splitlines()[1:])
    return Part(
        title="Exit codes",
        rows={code: sentence(meaning) for code, meaning in rows},
        columns=("exit code", "meaning"),
    )


def environment() -> Part:
    """Return the variables of the environment."""
    return Part(title="Environment", rows=ENVIRONMENT, columns=("variable", "meaning"))


def files() -> Part:
    """Return the files."""
    return Part(title="Files", paragraphs=(ELSEWHERE,), rows=FILES, columns=("file", "content"))


def saved_servers() -> Part:
    """Return the keys of servers.toml: those of the options that they are named after."""
    helps = {flag: option.help for option in CONNECT for flag in option.flags}
    return Part(
        title="servers.toml",
        paragraphs=(
            "poptalk NAME, poptalk run FILE NAME and :open NAME take these settings; options on "
            "the command line override them. Relative paths start beside the file. A mistake is "
            "reported with its line, and a password has no place here.",
        ),
        rows={key: KEY_MEANINGS.get(key) or sentence(helps[f"--{key}"]) for key in KEYS},
        columns=("key", "meaning"),
        example=SAVED_EXAMPLE,
    )


def personas() -> Part:
    """Return the personas that come with poptalk."""
    return Part(
        title="Personas",
        paragraphs=(
            "How the practice server speaks: --persona NAME, or a .toml file of your own.",
        ),
        rows={name: sentence(load_persona(name).description) for name in shipped_personas()},
        columns=("persona", "like"),
    )


def faults() -> Part:
    """Return the faults of the practice server."""
    return Part(
        title="Faults",
        paragraphs=(INTRODUCTION, "poptalk serve --list-faults also says where each was seen."),
        rows={
            name if kind.parameter is None else f"{name}:{kind.parameter.default}": (
                f"{sentence(kind.about.server)} For a client: {kind.about.client}. [{kind.about.clause}]"
            )
            for name, kind in FAULTS.items()
        },
        columns=("fault", "meaning"),
    )


# The man page.


def manual() -> Iterator[str]:
    """Give the lines of the man page."""
    parser = build_parser()
    yield '.\\" Made by tools/make_manual.py from the tables: change those, and make it again.'
    yield f'.TH POPTALK 1 "" "poptalk {__version__}" "User Commands"'
    yield from section("NAME", ["poptalk \\- talk POP3 by hand, and understand the replies"])
    yield from section("SYNOPSIS", synopsis(parser))
    yield from section("DESCRIPTION", paragraphs(DESCRIPTION, WITHOUT_A_COMMAND))
    parts = (
        *option_parts(parser),
        *(local_commands(), pop3_commands(), exit_codes(), environment(), files(), saved_servers()),
    )
    for part in parts:
        yield from section(HEADINGS.get(part.title, part.title.upper()), roff(part))
    yield from section("REPORTING BUGS", paragraphs(REPORTING))
    yield from section("SEE ALSO", paragraphs(SEE_ALSO))


HEADINGS = {"Options of every command": "OPTIONS", "Exit codes": "EXIT STATUS"}
"""What man pages call it."""


def section(title: str, lines: Iterable[str]) -> Iterator[str]:
    """Give a section."""
    yield f".SH {quoted(title)}"
    yield from lines


def roff(part: Part) -> Iterator[str]:
    """Give what is in a section."""
    yield from paragraphs(*part.paragraphs)
    for term, meaning in part.rows.items():
        yield ".TP"
        yield f".B {quoted(term)}"
        yield escaped(meaning)
    if part.example:
        yield from paragraphs("For example:")
        yield ".nf"
        yield from (escaped(line) for line in part.example.splitlines())
        yield ".fi"


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


def sentence(text: str) -> str:
    """Return a text with a capital at the beginning and a full stop at the end."""
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


# The reference pages.


def reference() -> Iterator[tuple[str, str, Sequence[Part]]]:
    """Give the pages: the name of the file, the title and the parts."""
    yield "options", "Options", list(option_parts(build_parser()))
    yield "local-commands", "Local commands", [local_commands()]
    yield "pop3-commands", "POP3 commands", [pop3_commands()]
    yield (
        "files",
        "Files, environment and exit codes",
        [exit_codes(), environment(), files(), saved_servers()],
    )
    yield "practice-server", "Personas and faults", [personas(), faults()]


def page(title: str, parts: Sequence[Part]) -> str:
    """Return a page of the manual in Markdown."""
    lines = [
        "<!-- Made by tools/make_manual.py from the tables: change those, and make it again. -->",
        f"# {title}",
    ]
    for part in parts:
        if part.title != title:
            lines += ["", f"## {part.title}"]
        lines += [line for text in part.paragraphs for line in ("", in_markdown(text))]
        if part.rows:
            lines += ["", f"| {part.columns[0]} | {part.columns[1]} |", "| --- | --- |"]
        lines += [
            f"| `{term.replace('|', BAR)}` | {in_markdown(meaning)} |"
            for term, meaning in part.rows.items()
        ]
        if part.example:
            example = "".join(f"{line.strip()}\n" for line in part.example.splitlines())
            language = "toml" if part.title.endswith(".toml") else "sh"
            lines += ["", f"```{language}", example.rstrip("\n"), "```"]
    return "\n".join(lines) + "\n"


BAR = "\\|"
"""A bar in a cell of a table."""


def in_markdown(text: str) -> str:
    """Return a text whose characters mean themselves, except those between back-quotes."""
    parts = re.split(r"(`[^`]+`)", text)
    plain = (re.sub(r"([\\*_<\[\]{}#~])", r"\\\1", part) for part in parts[::2])
    code = iter(parts[1::2])
    return "".join(f"{part}{next(code, '')}" for part in plain).replace("|", BAR)


if __name__ == "__main__":
    sys.exit(main())
