"""Price change events: outbox, feed, webhooks and retention."""
