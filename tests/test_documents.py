"""The documents say what the program does: README, manual, man page, completions, picture, packaging."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from hatch_build import readme_for_an_index
from poptalk import __version__
from poptalk.cli.options import COMMANDS
from poptalk.cli.parser import EXIT_CODES, build_parser, parse
from poptalk.pop3.commands import VERBS
from poptalk.practice.accounts import ACCOUNTS
from poptalk.practice.faults.plan import FAULTS
from poptalk.practice.persona import shipped_personas
from poptalk.transcript.model import AnyLines, ClientLine, ServerLine
from poptalk.transcript.parser import parse_dialogue
from tests.test_architecture import ROOMS
from tools import make_explanations, make_manual, make_picture, make_servers

LOCAL_NAMES = {command.name for command in make_manual.every_local_command()}

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
MANUAL = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "docs").rglob("*.md"))
}
"""The pages of the manual."""
DOCUMENTS = {"README.md": README, **MANUAL}
PROSE = {name: text for name, text in DOCUMENTS.items() if name != "docs/explanations.md"}
"""Those that speak of poptalk's own options; the other one quotes servers."""
OTHERS = ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

MAIN_COMMAND = "python3 -m venv .venv && .venv/bin/pip install --quiet . && .venv/bin/poptalk"
TEST_COMMAND = (
    "python3 -m venv .venv && .venv/bin/pip install --quiet -e '.[test]' "
    "&& .venv/bin/python -m pytest"
)
DOCS_COMMAND = (
    ".venv/bin/pip install --quiet -e '.[docs]' && .venv/bin/sphinx-build -W -q docs build/manual"
)
SECONDS = 30


def blocks(document: str, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", document, flags=re.DOTALL | re.MULTILINE)


def code_spans(document: str) -> list[str]:
    """Return what stands between single back-quotes."""
    prose = re.sub(r"^```.*?^```$", "", document, flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"`([^`\n]+)`", prose)


def shell_lines() -> list[str]:
    """Return every line of the blocks that are for a shell, each once, in README and manual."""
    lines = [
        line.partition("  #")[0].rstrip()
        for document in DOCUMENTS.values()
        for line in "".join(blocks(document, "sh")).splitlines()
    ]
    return list(dict.fromkeys(line for line in lines if line))


def command_lines() -> list[list[str]]:
    """Return the arguments of every poptalk in README and manual, in blocks and in the text."""
    found = []
    spans = [span for document in PROSE.values() for span in code_spans(document)]
    for line in [*shell_lines(), *spans]:
        if line.count("'") % 2 or line.startswith(("C:", "S:")):
            continue
        words = shlex.split(line.split("|")[-1].split("&&")[-1])
        if words[:1] in (["poptalk"], [".venv/bin/poptalk"]) and not PLACEHOLDERS & set(words):
            found.append(words[1:])
    return [list(words) for words in dict.fromkeys(map(tuple, found))]


PLACEHOLDERS = {"...", "HOST", "COMMAND"}
"""Words of a form, not of a command line that can be typed."""


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
    made = make_picture.draw(*make_picture.session())
    drawn = make_picture.PICTURE.read_text(encoding="utf-8")
    assert drawn == made, "run python -m tools.make_picture"
    assert "jones" not in drawn


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


def test_what_servers_do_wrong_is_current() -> None:
    committed = make_servers.DOCUMENT.read_text(encoding="utf-8")
    assert committed == make_servers.make_document(), "run python -m tools.make_servers"


def test_the_explanations_are_current() -> None:
    committed = make_explanations.DOCUMENT.read_text(encoding="utf-8")
    assert committed == make_explanations.make_document(), "run python -m tools.make_explanations"


def test_no_variable_of_the_environment_is_left_out() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "poptalk").rglob("*.py"))
    named = {*re.findall(r"\bPOPTALK_[A-Z]+\b", source), *re.findall(r"\bXDG_[A-Z_]+\b", source)}
    known = {name for row in make_manual.ENVIRONMENT for name in row.split(", ")}
    assert named - known == set(), "add them to ENVIRONMENT in tools/make_manual.py"


# README and manual.


def test_the_readme_is_one_page() -> None:
    lines = README.splitlines()
    assert len(lines) <= 150
    assert len(README) <= 7_000
    assert lines.index(MAIN_COMMAND) < 25


def test_the_two_commands() -> None:
    main, *_ = blocks(README, "sh")
    assert main == f"{MAIN_COMMAND}\n"
    assert f"<!-- test command -->\n\n```sh\n{TEST_COMMAND}\n```\n" in README


def test_the_readme_counts_right() -> None:
    lessons = re.search(r"(\d+) lessons", README)
    assert lessons is not None
    assert int(lessons[1]) == len(list((ROOT / "lessons").glob("*.md")))
    rows = re.search(r"All (\d+) rows", README)
    assert rows is not None
    assert int(rows[1]) == len(table(MANUAL["docs/compare.md"], "what"))


def test_the_readme_compares_as_the_manual_does() -> None:
    """Each row of the short table is in the long one, with the same answers."""
    tools = ["poptalk", "s_client", "ncat", "curl", "mpop", "swaks"]
    assert f"| | {' | '.join(tools)} |" in README
    compare = MANUAL["docs/compare.md"]
    heads = next(line for line in compare.splitlines() if line.startswith("| what |"))
    columns = [cell.strip() for cell in heads.strip("|").split("|")]
    long = {row[0]: [row[columns.index(tool)] for tool in tools] for row in table(compare, "what")}
    short = re.findall(r"^\| (.+?) \| (yes \|.*) \|$", README, re.MULTILINE)
    assert len(short) == 10
    for name, cells in short:
        assert long[name] == [cell.strip() for cell in cells.split("|")], name


def test_every_block_is_of_a_known_kind() -> None:
    """Commands are in blocks marked `sh`, which is where the test that runs them looks."""
    opened = re.findall(r"^ *```+(\w[^\n`]*)$", "".join(DOCUMENTS.values()), re.MULTILINE)
    kinds = {mark.split()[0] for mark in opened}
    assert kinds == {"sh", "pop3", "python", "json", "toml", "text", "markdown"}


def test_command_lines_are_found() -> None:
    assert ["serve", "--json"] in command_lines()
    assert ["--ca-file", "our-ca.pem", "--tls", "mail.example.org"] in command_lines()


@pytest.mark.parametrize("words", command_lines(), ids=" ".join)
def test_every_command_line_is_understood(words: list[str]) -> None:
    if len(words) == 1 and words[0] in COMMANDS:
        return  # Only the name of a command, whose arguments the text leaves out.
    if words[:1] not in (["--help"], ["--version"]) and words[1:2] != ["--help"]:
        name = words[0] if words[:1] and words[0] in COMMANDS else "connect"
        parse(name, words[1:] if words[:1] == [name] else words)
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
    # Local commands have words of their own, and the packages' tools have options of theirs.
    spans = [
        span
        for document in PROSE.values()
        for span in code_spans(document)
        if not span.startswith((":", "pip ", "pipx ", "python", "uv "))
    ]
    named = {w for span in spans for w in re.findall(r"(?<!\S)--\w[\w-]*", span)}
    assert len(named) > 40
    assert named - known == set()


def test_every_local_command_is_there() -> None:
    rows = table(MANUAL["docs/reference/local-commands.md"], "you type")
    named = {name for row in rows for name in re.findall(r"^`:(\w+)", row[0])}
    assert named == LOCAL_NAMES


def test_no_local_command_is_invented() -> None:
    named = {
        name
        for document in PROSE.values()
        for span in code_spans(document)
        for name in re.findall(r"^:(\w+)", span)
    }
    assert named - LOCAL_NAMES == set()


def test_what_poptalk_claims_beside_others_is_proved() -> None:
    rows = [re.findall(r"`([^`]+)`", row[-1]) for row in table(MANUAL["docs/compare.md"], "what")]
    assert len(rows) > 20
    assert all(rows)
    for proof in (proof for row in rows for proof in row):
        file, _, name = proof.partition("::")
        assert file.startswith("tests/"), proof
        source = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {name}\(", source, re.MULTILINE), proof


def test_the_exit_codes() -> None:
    rows = table(MANUAL["docs/script.md"], "exit code")
    plain = [" ".join(row).replace("`", "") for row in rows]
    assert plain == [" ".join(line.split()) for line in EXIT_CODES.splitlines()[1:]]


def test_accounts_and_personas() -> None:
    for account in ACCOUNTS:
        assert f"`{account.name}`/`{account.password}`" in MANUAL["docs/teach.md"]
    rows = table(MANUAL["docs/reference/practice-server.md"], "persona")
    assert [row[0].strip("`") for row in rows] == shipped_personas()


def test_every_fault_is_there() -> None:
    rows = table(MANUAL["docs/reference/practice-server.md"], "fault")
    assert [row[0].strip("`").partition(":")[0] for row in rows] == list(FAULTS)


@pytest.mark.parametrize("document", ["README.md", "docs/learn.md"])
def test_the_session_of_the_article_goes_as_written(document: str) -> None:
    (block,) = blocks(DOCUMENTS[document], "pop3")
    steps = parse_dialogue(block, name=document).steps
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


@pytest.mark.parametrize("document", [*DOCUMENTS, *OTHERS])
def test_links_lead_somewhere(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    text = re.sub(r"^(`{3,4})[^`].*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        found = (ROOT / document).parent / path
        assert found.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.*)$", found.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {slug(head) for head in heads}, target


def slug(heading: str) -> str:
    """Return the anchor that code-hosting pages and MyST make of a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_every_page_of_the_manual_is_in_its_index() -> None:
    pages = {f"docs/{target}" for target in re.findall(r"\]\(([^)#]+)\)", MANUAL["docs/index.md"])}
    assert pages == set(MANUAL) - {"docs/index.md"}
    listed = re.search(
        r"^```\{toctree\}\n(.*?)^```$", MANUAL["docs/index.md"], re.DOTALL | re.MULTILINE
    )
    assert listed is not None
    assert {f"docs/{name}.md" for name in listed[1].split() if name != ":hidden:"} == pages


# Packaging.


def test_the_readme_on_an_index_has_no_link_that_leads_nowhere() -> None:
    without = readme_for_an_index(README, repository="")
    assert not re.findall(r"\]\((?!https://)", without)
    assert "Learn (docs/learn.md in the source)" in without
    address = "https://git.example.org/poptalk"
    at_home = readme_for_an_index(README, repository=address)
    assert f"[Learn]({address}/blob/HEAD/docs/learn.md)" in at_home
    assert f"({address}/raw/HEAD/docs/session.svg)" in at_home
    assert not re.findall(r"\]\((?!https://)", at_home)


# CONTRIBUTING and the changelog.


def test_every_dependency_has_its_reason() -> None:
    extras = PROJECT["optional-dependencies"]
    wanted = [*PROJECT["dependencies"], *(each for extra in extras.values() for each in extra)]
    names = {re.split(r"[\[<>=]", requirement)[0] for requirement in wanted} - {PROJECT["name"]}
    listed = {row[0] for row in table(CONTRIBUTING, "package")}
    assert listed == names, "the table of dependencies in CONTRIBUTING.md lists each, and no other"


def test_the_rooms_are_those_of_the_test() -> None:
    assert " > ".join(ROOMS) in CONTRIBUTING, (
        "CONTRIBUTING.md has the order of tests/test_architecture.py"
    )
    assert tuple(row[0].strip("`") for row in table(CONTRIBUTING, "room")) == ROOMS


def test_paths_in_the_text_exist() -> None:
    for span in code_spans(CONTRIBUTING):
        if "/" in span and " " not in span and "NAME" not in span:
            assert (ROOT / span).exists() or (ROOT / "poptalk" / span).exists(), span


def test_the_changelog_knows_this_version() -> None:
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
