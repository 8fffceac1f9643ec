"""Process the queue of fetches in PostgreSQL.

import_worker runs the stages: it claims queue rows (queue_sql) under a WorkerLease (lease), fetches the pages, extracts
and matches their offers (page_processing), and persists the results in batches (persistence). The retry rule is
`fetch_retry_delay` in persistence; limits per host are in queue_sql.CLAIM_FETCHES.
"""
