"""The command line: one module a command; each parses, calls a stage and prints."""
