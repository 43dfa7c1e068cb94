"""The engine of training: loop, checkpoints, optimisers, processes and logs, the same for every task."""
