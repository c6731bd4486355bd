"""A dialogue or a lesson as a document for others: HTML, SVG, asciinema cast, Markdown.

`page` is what all of them are made from.  `reading` prepares a dialogue for others: secrets masked, and
explained on request.  `html`, `svg`, `cast` and `markdown` each write one kind of document; `look` has
the colours and the rows.  `export` goes from a source to a file.  The page of a lesson is made in
`poptalk.lesson.author.handout`.
"""

FORMATS = ("html", "svg", "cast", "md")
"""The formats of documents, by the ends of file names."""
