"""Table formats: one file for each, named in avfer.catalog under "format"."""
