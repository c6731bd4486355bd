"""The notation of dialogues: sessions written as in the RFCs, with `C:` and `S:` lines.

Read in this order: `octets` (any octets as text, and back), `pattern` (a line with placeholders),
`model` (what a dialogue contains), `parser` and `writer`, `match` (comparing by meaning), `placeholders`
(values that are computed) and `redact` (hides secrets).  Nothing here does input or output.
"""
