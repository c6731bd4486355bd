"""`python -m poptalk`."""

import sys

from poptalk.cli import main

if __name__ == "__main__":
    sys.exit(main())
