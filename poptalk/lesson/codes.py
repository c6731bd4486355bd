"""The numbers of everything that can be wrong with a lesson.

PT001 to PT019 are about the document, and found when it is read; PT020 and up are about what happens
when it runs, and found by `poptalk lessons check`.  A number never changes its meaning.
"""

from __future__ import annotations

from collections.abc import Mapping

CODES: Mapping[str, str] = {
    "PT001": "The file cannot be read, is too large, or is no text in UTF-8.",
    "PT002": "The front matter, `key: value` lines between two `---`, is missing or broken.",
    "PT003": "A key of the front matter is unknown.",
    "PT004": "A key that every lesson needs is missing from the front matter.",
    "PT005": "A key stands twice in the front matter.",
    "PT006": "A value of the front matter is not of the form that its key needs.",
    "PT007": "A heading has the wrong level or stands in the wrong place.",
    "PT008": "A step has no id of its own: its heading makes none, or makes that of another step.",
    "PT009": "The lesson has no step.",
    "PT010": "A word is unknown, behind `pop3` or in `[!...]`.",
    "PT011": "A line of a `pop3` block is not of the notation, or there is nothing to send in it.",
    "PT012": "Something is to be done, asked or proved outside a step.",
    "PT013": "A `pop3 mistake` does not follow a task.",
    "PT014": "A `pop3 mistake` has no paragraph behind it.",
    "PT015": "A `pop3 mistake` does not have exactly one `C:` line, with its reply or without.",
    "PT016": "A tip is empty, or follows neither a task nor a question.",
    "PT017": "A question cannot be read: a choice has no mark, no text or no reply.",
    "PT018": "A placeholder is to be sent that has no value: never captured, and not known.",
    "PT019": "A block or a comment has no end, or stands inside a list or a quote.",
    "PT020": "The answer itself does not pass its step.",
    "PT021": "A step passes though nothing, or something else, was done: NOOP, or silence.",
    "PT022": "A line that is accepted as well, by `or`, does not pass.",
    "PT023": "A `pop3 mistake` is never met: another one, or the answer, comes before it.",
    "PT024": "A question does not have exactly one right choice, or a wrong one has no reply.",
    "PT025": "A word is to be typed that was not shown before.",
    "PT026": "The lesson cannot be resumed at a step.",
    "PT027": "What a `pop3 proof` says does not hold.",
    "PT028": "A comment on a mistake names what the mistake does not capture.",
    "PT029": "The practice server of the lesson cannot be had: its mailbox, persona, user or fault.",
    "PT030": "A task has no hint.",
    "PT031": "More than six lines of prose stand before the first thing to do in a step (advice).",
    "PT032": "A comment on a mistake is longer than two lines.",
    "PT033": "A lesson that should come before is not there.",
    "PT034": "The server answers otherwise than a `show` or `setup` block, or a greeting, says.",
    "PT040": "A line of a block or a table is wider than 72 columns.",
    "PT060": "TODO is left.",
    "PT099": "A check broke down, which is a fault of poptalk or of the lesson.",
}
"""What each code means, in one sentence."""
