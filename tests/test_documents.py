"""The documents say what the program does: README, manual page, completions, picture, packaging."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from poptalk import __version__
from poptalk.cli.options import COMMANDS
from poptalk.cli.parser import EXIT_CODES, build_parser, parse
from poptalk.pop3.commands import VERBS
from poptalk.practice.accounts import ACCOUNTS
from poptalk.practice.persona import shipped_personas
from poptalk.transcript.model import AnyLines, ClientLine, ServerLine
from poptalk.transcript.parser import parse_dialogue
from tests.test_architecture import ROOMS
from tools import make_manual, make_picture

LOCAL_NAMES = {command.name for command in make_manual.every_local_command()}

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

MAIN_COMMAND = "python3 -m venv .venv && .venv/bin/pip install --quiet . && .venv/bin/poptalk"
TEST_COMMAND = (
    "python3 -m venv .venv && .venv/bin/pip install --quiet -e '.[test]' "
    "&& .venv/bin/python -m pytest"
)
SECONDS = 30


def blocks(document: str, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", document, flags=re.DOTALL | re.MULTILINE)


def code_spans(document: str) -> list[str]:
    """Return what stands between single back-quotes."""
    prose = re.sub(r"^```.*?^```$", "", document, flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"`([^`\n]+)`", prose)


def command_lines() -> list[list[str]]:
    """Return the arguments of every poptalk in the README, in blocks and in the text."""
    found = []
    for line in [*"".join(blocks(README, "sh")).splitlines(), *code_spans(README)]:
        words = shlex.split(line.split("|")[-1].split("&&")[-1])
        if words and words[0] in ("poptalk", ".venv/bin/poptalk"):
            found.append(words[1:])
    return found


def table(document: str, heading: str) -> list[list[str]]:
    """Return the rows of the table whose first column has a heading."""
    rows = re.search(rf"^\| {re.escape(heading)} \|.*\n\|.*\n((?:\|.*\n)+)", document, re.MULTILINE)
    assert rows is not None
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[1].splitlines()]


# What is made by tools/.


@pytest.mark.parametrize("path", make_manual.documents(), ids=lambda path: path.name)
def test_what_the_parser_gives_is_committed(path: Path) -> None:
    made = make_manual.documents()[path]
    assert path.read_text(encoding="utf-8") == made, "run python -m tools.make_manual"


def test_the_picture_is_of_this_program() -> None:
    rows, cursor = make_picture.session()
    made = "\n".join(make_picture.picture(rows, cursor=cursor)) + "\n"
    drawn = make_picture.PICTURE.read_text(encoding="utf-8")
    assert drawn == made, "run python -m tools.make_picture"
    assert "jones" not in drawn.replace("PASS jones, then LIST", "")


def test_the_manual_holds_everything() -> None:
    manual = make_manual.MANUAL.read_text(encoding="utf-8").replace("\\", "")
    parser = build_parser()
    options = [
        option
        for part in make_manual.parsers(parser)
        for action in make_manual.actions(part)
        for option in action.option_strings
    ]
    assert "--tls-port" in options
    keywords = [verb.keyword for verb in VERBS.values() if not verb.relic]
    for name in [*options, *COMMANDS, *(f":{name}" for name in LOCAL_NAMES), *keywords]:
        assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", manual), name


def test_roff_cannot_be_broken() -> None:
    assert make_manual.escaped(".TH 'a' \\n --b") == "\\&.TH \\(aqa\\(aq \\en \\-\\-b"
    assert make_manual.quoted('say "x"') == '"say \\(dqx\\(dq"'


@pytest.mark.skipif(shutil.which("bash") is None, reason="There is no bash here.")
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["s"], ["serve"]),
        ([""], list(COMMANDS)),
        (["mail.example.org", "--ti"], ["--timeout", "--times"]),
        (["mail.example.org", "110", "--color", "a"], ["auto", "always"]),
        (["connect", "mail.example.org", "--ca"], ["--ca-file"]),
        (["serve", "--liste"], ["--listen"]),
        (["lessons", "w"], ["watch"]),
        (["lessons", "check", "--f"], ["--format"]),
        (["serve", "--persona", "pl"], ["plain"]),
        (["--ca-file", "README"], ["README.md"]),
    ],
)
def test_bash_completes(words: list[str], completed: list[str]) -> None:
    line = shlex.join(["poptalk", *words])
    script = (
        f"source docs/completions/poptalk.bash; COMP_WORDS=({line}); COMP_CWORD={len(words)}; "
        'COMPREPLY=(); _shtab_poptalk; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    assert done.stdout.split() == completed


# The README.


def test_the_two_commands() -> None:
    main, test, *_ = blocks(README, "sh")
    assert main == f"{MAIN_COMMAND}\n"
    assert test == f"{TEST_COMMAND}\n"
    assert f"<!-- test command -->\n\n```sh\n{TEST_COMMAND}\n```\n" in README


def test_command_lines_are_found() -> None:
    assert ["serve", "--json"] in command_lines()
    assert ["--ca-file", "our-ca.pem", "--tls", "mail.example.org"] in command_lines()


@pytest.mark.parametrize("words", command_lines(), ids=" ".join)
def test_every_command_line_is_understood(words: list[str]) -> None:
    if words[:1] not in (["--help"], ["--version"]):
        name = words.pop(0) if words[:1] and words[0] in COMMANDS else "connect"
        parse(name, words)
    else:
        with pytest.raises(SystemExit, match="0"):
            build_parser().parse_args(words)


def test_every_option_in_the_text_exists() -> None:
    parser = make_manual.completed_parser()
    known = {
        option
        for part in make_manual.parsers(parser)
        for action in make_manual.actions(part)
        for option in action.option_strings
    }
    # Local commands have words of their own.
    spans = (span for span in code_spans(README) if not span.startswith(":"))
    named = {w for span in spans for w in re.findall(r"(?<!\S)--[\w-]+", span)}
    assert len(named) > 10
    assert named - known == set()


def test_every_local_command_is_there() -> None:
    rows = [row[0].strip("`") for row in table(README, "you type")]
    named = {name for row in rows for name in re.findall(r":(\w+)", row)}
    assert named == LOCAL_NAMES


def test_no_local_command_is_invented() -> None:
    named = {w for span in code_spans(README) for w in re.findall(r"^:(\w+)", span)}
    assert named - LOCAL_NAMES == set()


def test_what_poptalk_claims_beside_others_is_proved() -> None:
    rows = [re.findall(r"`([^`]+)`", row[-1]) for row in table(README, "what")]
    assert len(rows) > 20
    assert all(rows)
    for proof in (proof for row in rows for proof in row):
        file, _, name = proof.partition("::")
        assert file.startswith("tests/"), proof
        source = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {name}\(", source, re.MULTILINE), proof


def test_the_exit_codes() -> None:
    rows = table(README, "exit code")
    plain = [" ".join(row).replace("`", "") for row in rows]
    assert plain == [" ".join(line.split()) for line in EXIT_CODES.splitlines()[1:]]


def test_accounts_and_personas() -> None:
    spans = set(code_spans(README))
    for account in ACCOUNTS:
        assert f"`{account.name}`/`{account.password}`" in README
    assert set(shipped_personas()) <= spans


def test_the_session_of_the_article_goes_as_the_readme_says() -> None:
    (block,) = blocks(README, "pop3")
    steps = parse_dialogue(block, name="README.md").steps
    typed = "".join(f"{step.payload}\n" for step in steps if isinstance(step, ClientLine))
    expected = "".join(
        r"(?:.*\n)*?" if isinstance(step, AnyLines) else re.escape(step.payload) + r"\n"
        for step in steps
        if isinstance(step, AnyLines | ServerLine)
    )
    done = subprocess.run(
        [sys.executable, "-m", "poptalk"],
        input=typed.encode(),
        capture_output=True,
        timeout=SECONDS,
        check=True,
    )
    said = done.stdout.decode().replace("\r\n", "\n")
    assert re.fullmatch(expected, said), said


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert target.startswith("https://") or (ROOT / target).exists(), target


# CONTRIBUTING and the changelog.


def test_every_dependency_has_its_reason() -> None:
    extras = PROJECT["optional-dependencies"]
    wanted = [*PROJECT["dependencies"], *(each for extra in extras.values() for each in extra)]
    names = {re.split(r"[\[<>=]", requirement)[0] for requirement in wanted} - {PROJECT["name"]}
    assert {row[0] for row in table(CONTRIBUTING, "package")} == names


def test_the_rooms_are_those_of_the_test() -> None:
    assert " > ".join(ROOMS) in CONTRIBUTING
    assert tuple(row[0].strip("`") for row in table(CONTRIBUTING, "room")) == ROOMS


def test_paths_in_the_text_exist() -> None:
    for span in code_spans(CONTRIBUTING):
        if "/" in span and " " not in span and "NAME" not in span:
            assert (ROOT / span).exists() or (ROOT / "poptalk" / span).exists(), span


def test_the_changelog_knows_this_version() -> None:
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
