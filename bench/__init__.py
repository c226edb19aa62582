"""Measures what a request costs on the lab that is up: `make bench`. See docs/performance.md."""
