"""The data of training: labelled partitions, image and sequence batches, augmentation and caches on disk."""
