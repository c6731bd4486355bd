"""poptalk, a Telnet-style raw protocol teaching shell for POP3.

This module holds the version and imports nothing, so that ``poptalk --version`` costs no more than
starting Python.
"""

__version__ = "0.2.0"
