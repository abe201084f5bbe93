"""The course as pages to read and search: python start.py site."""
