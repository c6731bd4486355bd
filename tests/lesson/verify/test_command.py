"""`poptalk lessons check`: what it says, and its exit codes."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from poptalk.lesson.document.model import CODES
from poptalk.lesson.library import find_lesson
from poptalk.lesson.verify.check import check, lessons_at
from tests.lesson.verify.lessons import GOOD, line_of, with_change, write_mailbox

TODO = with_change("It is gone.", "TODO")
LONG = with_change("Three letters are", f"{'and so on and on ' * 30} Three letters are")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_mailbox(tmp_path)
    (tmp_path / "01-good.md").write_text(GOOD, encoding="utf-8")
    (tmp_path / "02-todo.md").write_text(TODO, encoding="utf-8")
    (tmp_path / "03-long.md").write_text(LONG, encoding="utf-8")
    (tmp_path / "notes.txt").write_text("No lesson.", encoding="utf-8")
    return tmp_path


def run(*paths: Path, **options: str) -> tuple[int, list[str], list[str]]:
    """Run the command; return its exit code, what it says, and what it complains of."""
    said: list[str] = []
    complaints: list[str] = []
    given = [str(path) for path in paths]
    code = check(paths=given, say=said.append, complain=complaints.append, **options)
    return code, said, complaints


def test_a_good_lesson(folder: Path) -> None:
    code, said, complaints = run(folder / "01-good.md")
    assert (code, complaints) == (0, [])
    assert len(said) == 1
    assert said[0].startswith("1 lesson, all right (")


def test_a_folder_with_a_fault(folder: Path) -> None:
    code, said, _ = run(folder)
    line = line_of(TODO, "TODO")
    assert code == 1
    assert said[0].startswith(f"{folder / '02-todo.md'}:{line}: PT060 ")
    assert said[1].startswith(f"{folder / '03-long.md'}:")
    assert " PT031 " in said[1]
    assert said[-1].startswith("3 lessons, 1 fault, 1 piece of advice (")


def test_a_lesson_has_a_number_and_a_name_here_too() -> None:
    assert lessons_at([Path("3"), Path("looking")]) == [find_lesson("03-looking")] * 2


def test_advice_is_no_reason_to_fail(folder: Path) -> None:
    code, said, _ = run(folder / "03-long.md")
    assert code == 0
    assert said[-1].startswith("1 lesson, all right, 1 piece of advice (")


def test_codes_that_do_not_count(folder: Path) -> None:
    code, said, _ = run(folder, ignore="PT060, pt031")
    assert code == 0
    assert len(said) == 1


@pytest.mark.parametrize(
    ("path", "options", "complaint"),
    [
        ("nowhere.md", {}, "There is no file"),
        ("empty", {}, "has no lesson in it"),
        ("01-good.md", {"ignore": "PT060,PT061"}, "There is no code PT061; they go from PT001 to"),
        ("01-good.md", {"output": "/nowhere/report.xml"}, "/nowhere/report.xml cannot be written"),
    ],
)
def test_what_cannot_be_done(
    folder: Path, path: str, options: dict[str, str], complaint: str
) -> None:
    (folder / "empty").mkdir()
    code, said, complaints = run(folder / path, **options)
    assert (code, said) == (2, [])
    assert complaint in complaints[0]


def test_a_file_that_is_no_lesson_is_a_finding(folder: Path) -> None:
    code, said, _ = run(folder / "notes.txt")
    assert code == 1
    assert ":1: PT00" in said[0]


def test_junit(folder: Path) -> None:
    report = folder / "report.xml"
    code, said, _ = run(folder, format="junit", output=str(report))
    assert (code, said) == (1, [])
    good, todo, long = fromstring(report.read_text(encoding="utf-8"))
    for suite, failures, skipped in ((good, 0, 0), (todo, 1, 0), (long, 0, 1)):
        assert suite.get("tests") == str(len(suite)) == str(len(CODES))
        assert (suite.get("failures"), suite.get("skipped")) == (str(failures), str(skipped))
        assert len(suite.findall("testcase/failure")) == failures
        assert len(suite.findall("testcase/skipped")) == skipped
    [case] = [case for case in todo if case.find("failure") is not None]
    assert case.get("name", "").startswith("PT060 ")
    assert case.get("line") == str(line_of(TODO, "TODO"))
    failure = case.find("failure")
    assert failure is not None
    assert failure.text == failure.get("message")


def test_junit_on_standard_output(folder: Path) -> None:
    _, said, _ = run(folder / "01-good.md", format="junit")
    assert fromstring("\n".join(said)).tag == "testsuites"


def test_what_xml_cannot_hold_is_made_harmless(folder: Path) -> None:
    (folder / "odd.md").write_text(with_change("It is gone.", "TODO \x1b[31m\x00\uffff"))
    _, said, _ = run(folder / "odd.md", format="junit")
    fromstring("\n".join(said))
