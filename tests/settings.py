"""The shop's own settings, read in a test's environment however pytest was started.

pytest-django reads the settings before any conftest.py, so this is where the environment is set.
Workers of xdist and processes that a test starts inherit it, and so share the servers.
"""

import os
import tempfile

os.environ.setdefault("ENVIRONMENT", "test")
if not os.environ.get("DATA_DIR"):
    os.environ["DATA_DIR"] = tempfile.mkdtemp(prefix="shop-test-")
    os.environ["TEST_DATA_DIR_OWNER"] = str(os.getpid())

from backend.settings import *  # noqa: F403
