"""The README as package indexes show it: hatchling calls this when it builds a wheel or an sdist.

An index has no files beside the README, so its relative links are made absolute with the address of
the repository, which is in `[project.urls]` of pyproject.toml and nowhere else.  While there is no
address, a link becomes its text, and a picture is left out.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?!https?://|#)(?P<target>[^)\s]+)\)")


class ReadmeHook(MetadataHookInterface):
    """Sets the field `readme`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the README to the metadata."""
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        repository = metadata.get("urls", {}).get("Repository", "")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": readme_for_an_index(text, repository=repository),
        }


def readme_for_an_index(text: str, *, repository: str) -> str:
    """Return a README whose relative links work away from the repository, or are links no more.

    Args:
        text: the README.
        repository: the address of the repository, such as https://example.org/poptalk; empty for none.
    """

    def replaced(link: re.Match[str]) -> str:
        picture, words, target = link["picture"], link["text"], link["target"]
        if repository:
            base = f"{repository.rstrip('/')}/{'raw' if picture else 'blob'}/HEAD"
            return f"{picture}[{words}]({base}/{target})"
        return "" if picture else f"{words} ({target} in the source)"

    return LINK.sub(replaced, text)
