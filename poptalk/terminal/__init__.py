"""The screen: harmless text, colours, widths, and the one module that prints.

Read in this order: `safe` (strangers' octets made harmless, and their widths), `theme` (how parts are
coloured), `lexer` (which octets of a line are what, for the screen and for Pygments), `render` (what a
dialogue looks like), `markdown`, `screen` (where it is printed, and whether in colour) and
`standard_input` (what is typed or piped in).
"""
