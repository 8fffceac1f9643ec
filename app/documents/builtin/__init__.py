"""TODO app/documents/builtin"""
