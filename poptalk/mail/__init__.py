"""A message as people read it, made from its octets: in addition to the raw view, never instead of it.

Mail is written by strangers, and a message that can't be parsed is the one that the reader wants to see.
Whatever the octets are, nothing here raises, except `TooLong` if parsing takes longer than a view may
take.  Every limit on a parser's input is a named constant with its reason.

- `header`: fields, encoded words, parameters, dates, and one row in a table of messages
- `message`: all use of Python's `email`, the tree of parts, the readable text, the path of the message
- `words`: the text of one part: character sets, HTML, format=flowed, calendars
- `view`: shows all that on the screen
"""
