"""``python -m ramal`` is the command ``ramal``."""

import sys

from ramal.cli import main

sys.exit(main())
