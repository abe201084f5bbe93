"""python -m segedu: the same as the command segedu."""

import sys

from segedu.cli import main

sys.exit(main())
