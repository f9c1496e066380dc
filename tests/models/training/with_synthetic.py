"""Runs `python -m models` with the data sets of these tests: a process of its own, to be killed."""

import sys

from models import data
from models.cli import main

data.DATASETS |= {
    "balls": "tests.models.training.synthetic:open_balls",
    "lights": "tests.models.training.synthetic:open_lights",
}
sys.exit(main())
