"""A real browser: Debian's Chromium, driven by playwright; and axe-core, which looks for barriers.

Neither is among the test packages, as both are large: `.ci/run` installs them.  Where one is missing,
its tests are skipped.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

AXE = Path(__file__).parents[3] / ".axe" / "node_modules" / "axe-core" / "axe.min.js"

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)

WIDE = {"width": 1280, "height": 800}
NARROW = {"width": 320, "height": 640}

MILLISECONDS = 10_000
"""How long anything may take."""


@contextmanager
def chromium() -> Iterator[Any]:
    """Run Chromium without a window; skip the test where it can't be had."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("there is no chromium here")
    with playwright.sync_playwright() as running:
        # Playwright gives it an empty folder of its own.
        browser = running.chromium.launch(executable_path=program, args=[*FLAGS])
        yield browser
        browser.close()


class Person:
    """Somebody at a browser of their own, who has only a keyboard.

    Attributes:
        page: the tab.
        asked_for: every address that the browser has asked for.
        wrong: what the browser complained of.
    """

    def __init__(self, browser: Any, url: str) -> None:
        self.context = browser.new_context(viewport=WIDE)
        self.context.set_default_timeout(MILLISECONDS)
        self.url = url
        self.asked_for: list[str] = []
        self.wrong: list[str] = []
        self.open()

    def open(self, path: str = "/") -> None:
        """Open a tab."""
        self.page = self.context.new_page()
        self.page.on("request", lambda request: self.asked_for.append(request.url))
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", lambda dialog: self.wrong.append(dialog.message))
        self.page.goto(self.url + path)

    def press(self, *keys: str) -> None:
        """Press keys."""
        for key in keys:
            self.page.keyboard.press(key)

    def type(self, text: str) -> None:
        """Type text, and Enter."""
        self.page.keyboard.type(text)
        self.press("Enter")

    def join(self, name: str, code: str) -> None:
        """Come in with the code."""
        self.sees("Join the lesson")
        self.page.keyboard.type(name)
        self.press("Tab")
        self.type(code)

    def sees(self, *words: str) -> None:
        """Wait until some words can be read."""
        for each in words:
            self._until(
                "words => document.body.innerText.replace(/\\s+/g, ' ').includes(words)", each
            )

    def enter(self, text: str, *words: str) -> None:
        """Type a line when the prompt is there, and wait for what comes of it."""
        self._until(
            "() => document.activeElement.id === 'line' "
            "&& !/^poptalk$|waiting/.test(document.getElementById('prompt').textContent)"
        )
        self.type(text)
        self.sees(*words)

    def _until(self, met: str, about: str = "") -> None:
        try:
            self.page.wait_for_function(met, arg=about)
        except Exception as error:
            text = self.page.inner_text("body")
            raise AssertionError(f"not within {MILLISECONDS} ms: {about}\n{text}") from error

    def focus(self) -> str:
        """Return the id of what has the focus."""
        return str(
            self.page.evaluate("document.activeElement.id || document.activeElement.textContent")
        )

    def barriers(self) -> list[str]:
        """Return what axe-core finds, in both schemes of colours: everything but the minor."""
        if not AXE.exists():
            pytest.skip("axe-core is not installed: npm install --prefix .axe axe-core@4")
        found = []
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme)
            self.page.evaluate(AXE.read_text(encoding="utf-8"))
            result = self.page.evaluate("axe.run(document)")
            assert "color-contrast" in [each["id"] for each in result["passes"]]
            found += [
                f"{scheme}: {each['id']}: {json.dumps([node['html'] for node in each['nodes']])}"
                for each in result["violations"]
                if each["impact"] != "minor"
            ]
        self.page.emulate_media(color_scheme="light")
        return found

    def overflows(self) -> bool:
        """Whether the page is wider than the window."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))
