"""Benchmarks. Each prints ratios of times that are measured in the same run. They are not part of the tests."""
