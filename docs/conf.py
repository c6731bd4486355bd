"""Settings of Sphinx, which makes one static site with search out of this folder.

sphinx-build -W docs build/manual
"""

from poptalk import __version__

project = "poptalk"
author = copyright = "The poptalk authors"
version = release = __version__
extensions = ["myst_parser"]
root_doc = "index"
myst_heading_anchors = 3
html_theme = "furo"
html_title = "poptalk"
html_show_sourcelink = False
# Lessons hold fenced blocks of the language `pop3 setup` and the like; Pygments knows `pop3` from poptalk.
suppress_warnings = ["misc.highlighting_failure"]
