"""Where posts come from: the X API and files. Only id, time and kind are ever read."""
