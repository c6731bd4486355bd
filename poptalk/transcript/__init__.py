"""The one notation: sessions written as the RFCs write them, with `C:` and `S:` lines.

Read in this order: `octets` (any octets as text, and back), `pattern` (a line with placeholders),
`model`
(what a file holds), `parser` and `writer` (text in, text out), `match` (comparing by meaning),
`placeholders` (values that are worked out) and `redact` (secrets hidden).  Pure: text in, values out.
"""
