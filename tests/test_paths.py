"""Where poptalk's own files lie."""

from __future__ import annotations

import pytest

from poptalk.config import lessons_directory, mailbox_directory, state_directory


def test_where_things_lie() -> None:
    assert (lessons_directory() / "mailboxes" / "article").is_dir()
    assert state_directory().name == "poptalk"


def test_a_mailbox_that_is_not_there_is_explained() -> None:
    with pytest.raises(FileNotFoundError, match=r'no mailbox "nowhere".*article, .*rfc1939'):
        mailbox_directory("nowhere")
    with pytest.raises(FileNotFoundError, match="no mailbox"):
        mailbox_directory("../mailboxes/article")
