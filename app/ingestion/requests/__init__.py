"""Import requests: import_requests creates sessions, url_files reads files of URLs, progress reports on a session."""
