"""Tests of the benchmark's own arithmetic: python3 -m unittest discover -s bench/tests -t bench."""
