"""Fetch pages of untrusted URLs.

url_policy checks a URL and its addresses; fetcher sends the request over guarded_transport, which connects to checked
addresses only; decompression unpacks the body; page is the result. errors lists all failures: a retry rule depends on
whether an error is a RetryableError, and its delay is computed in app.ingestion.worker.persistence.
"""
