"""Reads that every face shares: pure SQL in, frozen values out; one module a subject."""
