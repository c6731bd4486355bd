"""Settings of Sphinx, which makes one static site with search out of this folder.

sphinx-build -W docs build/manual
"""

from poptalk import __version__

project = "poptalk"
author = project_copyright = "The poptalk authors"
version = release = __version__
extensions = ["myst_parser"]
root_doc = "index"
myst_heading_anchors = 3
html_theme = "furo"
html_title = "poptalk"
html_show_sourcelink = False
# Pygments knows `pop3` from poptalk, but not the words after it that lessons have.
suppress_warnings = ["misc.highlighting_failure"]
