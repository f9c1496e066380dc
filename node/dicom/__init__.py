"""DICOM objects: what comes in becomes plain values, what goes out is built and checked here.

Importing this package quietens pydicom's reading: its warnings quote the values that they complain
about, and those may be a patient's. What we need of an object we check ourselves.
"""

import logging
import warnings

from pydicom import config

warnings.filterwarnings("ignore", category=UserWarning, module=r"pydicom\.")
logging.getLogger("pydicom").setLevel(logging.ERROR)
config.settings.reading_validation_mode = config.IGNORE
