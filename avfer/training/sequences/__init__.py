"""Training of models over time: over features, or end to end from face crops and audio."""
