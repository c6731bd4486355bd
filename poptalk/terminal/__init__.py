"""What a person sees: harmless text, colours, widths, and the one module that prints.

Read in this order: `safe` (strangers' octets made harmless), `theme` and `color` (how, and whether,
parts are coloured), `anatomy` (which octets of a line are what), `render` (what a dialogue looks
like), `screen` (where it is printed).  `lexer` gives the same colours to Pygments.
"""
