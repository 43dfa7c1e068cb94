"""Exporters that turn a table into the file of another program: one file for each, named in avfer.catalog."""
