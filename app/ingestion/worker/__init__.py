"""The import worker: claims, page processing and persistence."""
