"""Price targets, performance values and catalogue statistics: computation and verification.

- `recalculation` with `sql`: computes the figures of CPUs, on request, nightly, and for the CPUs of the change log.
- `statistics_sql`: the statistics of the whole catalogue, which database triggers keep up to date.
- `verification` with `verification_sql`, and `statistics_verification`: compare stored values with computed ones.
"""
