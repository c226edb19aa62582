"""Drills: virtual users send requests while something is broken on purpose, and an oracle judges every answer.

docs/drills.md says what each drill does and how to read its report.
"""
