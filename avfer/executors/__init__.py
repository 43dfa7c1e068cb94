"""Places where work can run: processes of this machine, or a Ray cluster, behind one protocol."""
