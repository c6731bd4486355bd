"""HTML: one self-contained file, light or dark as its reader prefers, which prints well too.

It has no script, and a policy that forbids any.  A dialogue that is copied from it is the notation,
character by character.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter

from poptalk import __version__
from poptalk.export.look import DARK, LIGHT, TICKS, Palette, pygments_style
from poptalk.export.page import Blanks, Chapter, Choices, Page, Part, Passage, Talk, shown
from poptalk.terminal.lexer import Pop3Lexer
from poptalk.terminal.markdown import make_parser

_COMMENT = "<!--"

_STYLE = """\
:root { color-scheme: light dark }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; line-height: 1.5;
  font-family: system-ui, sans-serif; background: var(--background); color: var(--foreground) }
h1, h2 { line-height: 1.25 }
h1 { font-size: 1.7rem }
h2 { font-size: 1.3rem; margin-top: 2.5rem }
a { color: var(--link) }
pre, code { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace }
pre { padding: .75rem 1rem; border: 1px solid var(--quiet); border-radius: .4rem; font-size: .9rem;
  line-height: 1.4; white-space: pre-wrap; overflow-wrap: anywhere }
:not(pre) > code { font-size: .95em; font-weight: bold; overflow-wrap: anywhere }
table { border-collapse: collapse }
th, td { padding: .25rem .75rem; border: 1px solid var(--quiet); text-align: left; vertical-align: top }
ul.choices { padding-left: 0; list-style: none }
ul.choices li { margin: .4rem 0; padding-left: 2rem; text-indent: -2rem }
ul.choices .box { display: inline-block; width: 2rem; text-indent: 0 }
p.blank { margin: .9rem 0; border-bottom: 1px solid currentColor; min-height: 1.6rem }
p.who { display: flex; gap: 2rem }
p.who span { flex: 1; border-bottom: 1px solid currentColor }
.caption, footer { color: var(--quiet) }
.caption { margin-bottom: -.5rem }
footer { margin-top: 3rem; font-size: .85rem }
.session h1, .session p, .session footer { user-select: none; -webkit-user-select: none }
@media print {
  :root { color-scheme: light }
  body { max-width: none; margin: 0; padding: 0; font-size: 11pt }
  pre { font-size: 9pt; border-color: #999 }
  h1, h2, .caption { break-after: avoid }
  p, li, tr { break-inside: avoid; orphans: 3; widows: 3 }
}"""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def write_html(page: Page) -> str:
    """Return a document as HTML."""
    return "\n".join(_lines(page)) + "\n"


def _lines(page: Page) -> Iterator[str]:
    session = all(isinstance(part, Talk) for part in page.parts)
    yield "<!DOCTYPE html>"
    yield '<html lang="en">'
    yield "<head>"
    yield '<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f'<meta name="generator" content="poptalk {__version__}">'
    yield f"<title>{_text(page.title)}</title>"
    yield "<style>"
    yield _STYLE
    yield from _colours(LIGHT)
    yield "@media screen and (prefers-color-scheme: dark) {"
    yield from _colours(DARK)
    yield "}"
    yield "</style>"
    yield "</head>"
    yield '<body class="session">' if session else "<body>"
    yield "<main>"
    yield f"<h1>{_text(page.title)}</h1>"
    if page.summary:
        yield f"<p>{_text(page.summary)}</p>"
    if page.written_on:
        yield '<p class="who"><span>Name:</span><span>Date:</span></p>'
    for part in page.parts:
        yield from _part(part)
    yield "</main>"
    yield "</body>"
    yield "</html>"


def _colours(palette: Palette) -> Iterator[str]:
    link = palette.colours["ansicyan"]
    yield (
        f":root {{ --background: {palette.background}; --foreground: {palette.foreground}; "
        f"--quiet: {palette.quiet}; --link: {link} }}"
    )
    formatter = HtmlFormatter(style=pygments_style(palette))
    # These are Pygments' rules without those for line numbers and backgrounds.
    defined: list[str] = formatter.get_token_style_defs(".pop3")  # type: ignore[no-untyped-call]
    yield from defined


def _part(part: Part) -> Iterator[str]:
    match part:
        case Passage():
            yield _prose(part.source)
        case Chapter():
            yield f"<h2>{_text(part.text)}</h2>"
        case Talk():
            if part.caption:
                yield f'<p class="caption">{_text(part.caption)}</p>'
            yield _dialogue(part.text)
        case Choices():
            yield '<ul class="choices">'
            for place, text in enumerate(part.texts):
                box = f'<span class="box">{TICKS[place in part.ticked]}</span>'
                yield f"<li>{box}{_prose(text, inline=True)}</li>"
            yield "</ul>"
        case Blanks():
            yield from (f'<p class="blank">{_text(label)}</p>' for label in part.labels)


def _text(text: str) -> str:
    return escape(shown(text))


def _dialogue(text: str) -> str:
    lexer = Pop3Lexer(stripnl=False, ensurenl=False)
    coloured = highlight(text.removesuffix("\n"), lexer, HtmlFormatter(nowrap=True))
    return f'<pre class="pop3"><code>{coloured.rstrip()}\n</code></pre>'


class _ProseRenderer(RendererHTML):
    """Markdown as HTML that loads nothing, and in which HTML is text."""

    def fence(self, tokens: Sequence[Token], idx: int, *_rest: Any) -> str:
        token = tokens[idx]
        if token.info.split()[:1] == ["pop3"]:
            return _dialogue(token.content)
        return f"<pre><code>{escape(token.content)}</code></pre>\n"

    def code_block(self, tokens: Sequence[Token], idx: int, *_rest: Any) -> str:
        return f"<pre><code>{escape(tokens[idx].content)}</code></pre>\n"

    def html_block(self, tokens: Sequence[Token], idx: int, *_rest: Any) -> str:
        return f"<p>{self.html_inline(tokens, idx)}</p>\n"

    def html_inline(self, tokens: Sequence[Token], idx: int, *_rest: Any) -> str:
        content = tokens[idx].content
        return "" if content.lstrip().startswith(_COMMENT) else escape(content)

    def image(self, tokens: Sequence[Token], idx: int, *_rest: Any) -> str:
        token = tokens[idx]
        return escape(f"{token.content} ({token.attrs.get('src', '')})")


def _prose(source: str, *, inline: bool = False) -> str:
    parser = make_parser()
    tokens = (parser.parseInline if inline else parser.parse)(shown(source))
    return str(_ProseRenderer().render(tokens, parser.options, {})).rstrip()
