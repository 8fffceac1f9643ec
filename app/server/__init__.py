"""HTTP, server-sent events and WebSocket: requests in, responses out."""
