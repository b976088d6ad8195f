"""Statistics only: arrays in, sample paths out; no database, no clock, no logging set-up."""
