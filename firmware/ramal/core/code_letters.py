"""The letters of codes that people read, say and type. Pure."""

LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""None that look alike on a screen or on paper."""
