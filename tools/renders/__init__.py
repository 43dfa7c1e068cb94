"""Pictures of heads with known movement, rotation and gaze, rendered from the ICT FaceKit, to train and to measure."""
