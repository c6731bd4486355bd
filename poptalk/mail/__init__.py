"""A message as people read it, made from its octets: beside the raw view, never instead of it.

Mail is written by strangers, and what cannot be understood is what the reader wants to look at.
Whatever the octets are, nothing here raises, except `TooLong` where reading takes longer than a view may
take: every limit on what a parser is given is a named constant with its reason.

- `header`: fields, encoded words, parameters, dates, and one row of a table of messages
- `message`: the one door to Python's `email`, the tree of parts, the text for reading, the way it came
- `words`: the text of one part: character sets, HTML, format=flowed, calendars
- `view`: what is shown of all that
"""
