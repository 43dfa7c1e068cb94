"""Label a corpus: run a pipeline over every clip on several workers, and resume after any interruption.

`label_corpus` plans the clips (`plan`), checks the pipeline in a process of its own (`checked_pipeline`) and maps
`label_clip` over the clips that are left; `store` has the files and markers of the output folder, which `status` and
`merge` read.
"""
