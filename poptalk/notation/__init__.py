"""The one notation: sessions written as the RFCs write them, with `C:` and `S:` lines.

Read in this order: `pattern` (a line with placeholders), `dialogue` (what a file holds), `reader` and
`writer` (text in, text out), `exchanges` (which reply answers which command), `match` (comparing by
meaning), `known` and `mask` (secrets, worked out and hidden).  Pure: text in, values out.
"""
