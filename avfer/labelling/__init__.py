"""A corpus through a pipeline: one table a clip, a marker for each, nothing lost and nothing done twice."""
