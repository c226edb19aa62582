"""Drills: virtual users ask all the time, something is broken on purpose, and an oracle judges every answer.

docs/drills.md tells what each drill does and how to read its report.
"""
