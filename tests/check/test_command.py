"""`poptalk check` as it is used: what it says, what it writes, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import parse

import pytest

from poptalk.check.command import CheckSettings
from poptalk.check.command import check as run_check
from poptalk.check.model import CHECKS, Level
from poptalk.cli import main
from poptalk.net.endpoint import Destination
from poptalk.practice.server import PracticeDestination
from tests.check.checking import serving
from tests.shell.black_box import on_a_terminal


@pytest.fixture
def wrong() -> Iterator[PracticeDestination]:
    """Run a server that answers UIDL 3 without the number."""
    with serving(faults=["uidl-without-number"], record=True) as practice:
        yield practice


@pytest.fixture
def practice() -> Iterator[PracticeDestination]:
    with serving(record=True) as running:
        yield running


def check(server: Destination, *arguments: object) -> int:
    return main(["check", server.host, str(server.port), *map(str, arguments)])


BOB = ("--login", "bob", "--mechanism", "USER", "--password-env", "SECRET", "--only", "uidl")


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "jones")


def test_a_number_that_is_missing_is_found(
    wrong: PracticeDestination, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(wrong, *BOB) == 1
    said = capsys.readouterr().out
    assert "rfc1939/7/uidl-one  MUST, RFC 1939 §7" in said
    assert "C: UIDL 1" in said
    assert "effect on a mail program: it finds no unique-id" in said
    assert "1 fail" in said


def test_a_server_that_is_right_is_told_in_one_line(
    practice: PracticeDestination, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(practice, *BOB) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith("# 15 checks: 14 pass")
    assert rest == ["# 1 skipped: needs --destructive"]


def test_without_a_login_nobody_logs_in(practice: PracticeDestination) -> None:
    assert check(practice, "--only", "capa") == 0
    assert {each.user for each in practice.server.sessions} == {None}


def test_the_password_is_nowhere(
    wrong: PracticeDestination, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / name for name in ("log", "junit", "html")]
    check(wrong, *BOB, "--log", files[0], "--junit", files[1], "--html", files[2])
    captured = capsys.readouterr()
    everything = captured.out + captured.err + "".join(file.read_text("utf-8") for file in files)
    assert "jones" not in everything
    assert "{password}" in everything


def test_the_exchange_can_be_replayed(
    wrong: PracticeDestination, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(wrong, *BOB, "--json") == 1
    report = json.loads(capsys.readouterr().out)
    failed = [each for each in report["checks"] if each["verdict"] == "fail"]
    assert [each["id"] for each in failed] == ["rfc1939/7/uidl-one"]
    dialogue = tmp_path / "uidl.pop3"
    dialogue.write_text(failed[0]["exchange"], encoding="utf-8")
    again = ["run", str(dialogue), wrong.host, str(wrong.port), "--user", "bob"]
    assert main([*again, "--password-env", "SECRET"]) == 0
    wrong.server.faults = None
    assert main([*again, "--password-env", "SECRET"]) == 1


def test_the_json_is_one_object(
    practice: PracticeDestination, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(practice, "--only", "greeting", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["target"] == f"{practice.host} port {practice.port}"
    for each in report["checks"]:
        assert {"id", "level", "verdict", "clause", "exchange"} <= each.keys()
        assert each["verdict"] in ("pass", "fail", "warn", "note", "skip", "unclear")


def test_junit_and_html_have_every_check(wrong: PracticeDestination, tmp_path: Path) -> None:
    junit, page = tmp_path / "junit.xml", tmp_path / "page.html"
    assert check(wrong, *BOB, "--junit", junit, "--html", page) == 1
    (suite,) = parse(junit).getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("15", "1", "1")
    text = page.read_text("utf-8")
    assert text.count("<tr>") == 15
    assert "<h2>fail: rfc1939/7/uidl-one</h2>" in text


def test_the_log_has_every_connection(practice: PracticeDestination, tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert check(practice, "--only", "greeting", "--log", log) == 0
    assert log.read_text("utf-8").count("C: <open connection>") == len(practice.server.sessions)


# What is known.


def test_a_known_failure_does_not_count(
    wrong: PracticeDestination, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline = tmp_path / "known"
    baseline.write_text("# ours\n\nrfc1939/7/uidl-one the vendor knows, case 4711\n")
    assert check(wrong, *BOB, "--baseline", baseline) == 0
    assert "known: the vendor knows, case 4711" in capsys.readouterr().out


def test_a_baseline_that_is_out_of_date_is_said(
    practice: PracticeDestination, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline = tmp_path / "known"
    baseline.write_text("rfc1939/7/uidl-one the vendor knows\n")
    assert check(practice, *BOB, "--baseline", baseline) == 0
    assert "rfc1939/7/uidl-one passes now" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("rfc1939/7/uidl-one", "needs a reason"),
        ("rfc1939/7/uidl-two because", "there is no check rfc1939/7/uidl-two"),
    ],
)
def test_a_line_of_a_baseline_needs_a_check_and_a_reason(
    practice: PracticeDestination,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    line: str,
    words: str,
) -> None:
    baseline = tmp_path / "known"
    baseline.write_text(f"{line}\n")
    assert check(practice, "--baseline", baseline) == 2
    said = capsys.readouterr().err
    assert f"{baseline}:1: " in said
    assert words in said


# What was asked for.


def test_the_list_has_every_check_and_needs_no_server(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == list(CHECKS)


def test_a_check_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--explain", "rfc1939/7/uidl-one"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    row = CHECKS["rfc1939/7/uidl-one"]
    for part in (row.sentence.text, row.expects, row.suffers, "--fault uidl-without-number"):
        assert part in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "nothing-like-it"], "no check is called nothing-like-it"),
        (["--explain", "nothing-like-it"], "there is no check nothing-like-it"),
        (["--only", "stat-sum", "--html", "/nowhere/page"], "/nowhere/page cannot be written"),
        (["--only", "stat-sum", "--junit", "/"], "/ cannot be written"),
    ],
)
def test_what_cannot_be_is_a_sentence(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_nothing_that_could_be_run_is_no_success(
    practice: PracticeDestination, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(practice, "--only", "dele-twice") == 2
    assert "nothing was checked: needs --login USER" in capsys.readouterr().err
    assert check(practice, "--destructive") == 2
    assert "--destructive and --slow need --login USER" in capsys.readouterr().err


def test_a_refused_login_is_said_once_and_is_no_success(
    practice: PracticeDestination,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET", "wrong")
    assert check(practice, *BOB) == 1
    assert capsys.readouterr().err.count("the server did not let you in") == 1


def test_a_server_that_is_not_there_cannot_be_checked() -> None:
    with serving() as practice:
        gone = practice.replaced()
    assert check(gone) == 3


def test_the_messages_to_be_delivered_are_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--seed", str(tmp_path / "new")]) == 0
    written = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert written == ["dots-everywhere.eml", "dots.eml"]
    assert "deliver these" in capsys.readouterr().out
    assert main(["check", "--seed", str(tmp_path / "new" / "dots.eml")]) == 2


# What is said before it happens.


def test_what_somebody_may_mind_is_said_first(
    practice: PracticeDestination, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        check(practice, *BOB, "--destructive", "--intrusive", "--slow", "--only", "stat-sum") == 0
    )
    said = capsys.readouterr().err
    for words in ("deleted for good", "failed logins", "waits for ten minutes"):
        assert words in said


def test_intrusive_elsewhere_wants_a_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    from poptalk.net.endpoint import UsageError

    elsewhere = Destination(host="192.0.2.1", port=110)
    with pytest.raises(UsageError, match="needs --yes"):
        run_check(
            CheckSettings(intrusive=True),
            elsewhere,
            is_practice=False,
            say=lambda _: None,
            complain=lambda _: None,
        )


def test_the_practice_server_is_checked_with_its_own_account(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["check", "--persona", "plain", "--only", "listing", "--only", "stat"]) == 0
    assert "skip" not in capsys.readouterr().out


def test_on_a_terminal_it_fits() -> None:
    arguments = ("check", "--persona", "plain", "--fault", "uidl-spaces", "--only", "uidl-single")
    with on_a_terminal(*arguments, columns=60, rows=40) as terminal:
        assert terminal.wait_exit() == 1
        assert "rfc1939/7/uidl-single-space" in terminal.text


# The table itself.


def test_every_row_says_all() -> None:
    for row in CHECKS.values():
        assert row.expects, row.id
        assert row.suffers, row.id
        assert row.clause.startswith("RFC "), row.id
        assert not row.expects.endswith("."), row.id
        assert not row.suffers.endswith("."), row.id


def test_there_are_many_that_a_server_must_pass() -> None:
    assert len(CHECKS) >= 90
    assert sum(row.level is Level.MUST for row in CHECKS.values()) >= 90


def test_ids_never_vanish() -> None:
    kept = Path(__file__).with_name("ids.txt").read_text("ascii").split()
    assert set(kept) <= CHECKS.keys()
