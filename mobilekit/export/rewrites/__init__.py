"""Exact replacements for operators that a converter gets wrong: one file per family."""
