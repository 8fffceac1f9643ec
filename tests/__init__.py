"""Tests: mirrors of app/ and jobs/, and guarantees about the whole repository."""
