"""An X API v2 of one simulated account, over HTTP on loopback, in a process of its own: for tests and demos.

It answers as the real one is documented to, and fails as the real one is known to: each fault at a rate, by a seed,
or as the very next answer. `process.running_simulator` starts one.
"""
