"""``python -m buildfarm``."""

import sys

from buildfarm.app.cli import main

sys.exit(main())
