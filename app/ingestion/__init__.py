"""Import listings from web pages.

1. requests.import_requests validates URLs and writes a session, its rows and one queued fetch per URL.
2. worker.import_worker claims due fetches (worker.queue_sql) under a lease (worker.lease).
3. fetch.fetcher loads the page within the limits of fetch.url_policy; a marketplace API may load it instead.
4. extract.pipeline asks the adapters for the offers of the page; worker.page_processing matches the CPUs (app.titles).
5. worker.persistence writes listings, results and counts in one transaction, or schedules a retry.

Where to add what: an adapter in extract (see extract.protocols), a retry rule in worker.persistence.fetch_retry_delay,
a limit per host in worker.queue_sql, a rule against implausible offers in worker.page_processing.process_page.
session_sql reads sessions for the API; retention deletes old pages and sessions.
"""
