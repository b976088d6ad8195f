"""The operator console."""

import os

# Textual reads these when it is imported: escape is known at once, and nothing moves by itself.
os.environ.setdefault("ESCDELAY", "25")
os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
