"""The servers that are compared, and how each is set up. See table.py."""
