"""The field's scanners, on the lab that is up: `make audit`."""
