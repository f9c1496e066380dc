"""Decisions, and nothing else: no clock, no disk, no socket, no SQL, no pixels."""
