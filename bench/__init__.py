"""Benchmarks: each prints ratios of times measured side by side in one run, and is no part of the tests."""
