"""The clients that the server is made for, from npm and unchanged, against the running server."""
