"""``python -m mickey_hloc.cli``."""

import sys

from mickey_hloc.cli import main

sys.exit(main())
