"""What the web server calls."""

import gc
import os
from importlib import import_module

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")

application = get_wsgi_application()

# Every door is loaded before the first request, and what stays for ever is not looked through for
# garbage again: that took a twentieth of the time.
import_module("backend.urls")
gc.collect()
gc.freeze()
gc.set_threshold(10_000, 20, 20)
