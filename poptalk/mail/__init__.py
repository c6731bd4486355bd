"""A message as people read it, made from its octets: beside the raw view, never instead of it.

Mail is written by strangers, and what cannot be understood is what the reader wants to look at.
Whatever the octets are, nothing here raises, except `TooLong` where reading takes longer than a view may
take: every limit on what a parser is given is a named constant with its reason.

- `header`: fields, encoded words, parameters, dates; `charset`: octets to characters
- `message`: the one door to Python's `email`, the tree of parts, the text for reading
- `words`: the text of one part: HTML, format=flowed, calendars
- `trace`: the Received fields; `summary`: one row of a table of messages
"""
