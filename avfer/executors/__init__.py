"""Map a task over items on several workers: processes of this machine (`local`) or actors of a Ray cluster (`ray`).

`pool` has the protocols and the loop that all executors share.
"""
