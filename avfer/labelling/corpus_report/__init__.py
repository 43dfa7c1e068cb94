"""The report of a folder that `avfer label` made: one HTML page on all its clips."""
