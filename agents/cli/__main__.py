"""`python -m agents.cli`, which is `minigrad`."""

import sys

from . import main

sys.exit(main())
