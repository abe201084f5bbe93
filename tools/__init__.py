"""What stores, checks, publishes and proves the lessons: `python -m tools.NAME`, or start.py's commands."""
