"""A dialogue or a lesson as a document for others: HTML, SVG, asciinema cast, Markdown.

`page` is what all of them are made from, `reading` makes a dialogue fit to be shown: secrets masked, and
explained on request.  `html`, `svg`, `cast` and `markdown` each write one kind of document; `look` has
the colours and the rows.  `export` is the door: from a source to a file.  What makes a page of a lesson
is in `poptalk.lesson.author`.
"""

FORMATS = ("html", "svg", "cast", "md")
"""What a document may be, by the ends of the names of files."""
