"""TODO app/job_queue"""
