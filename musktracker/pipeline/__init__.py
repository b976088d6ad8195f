"""The stages of the flow, one module each; every stage takes an engine, a run and its parameters."""
