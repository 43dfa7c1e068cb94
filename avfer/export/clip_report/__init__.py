"""The playable report: tables of clips as one self-contained HTML page, with the video beside its curves.

Python computes the data (`report_data`), the texts (`methods_text`), the faces (`face_strip`) and the reference to the
video (`report_video`); `report.html`, `report.css` and the scripts beside this file show them. `html_report` puts all
of it into one file.

The charts are drawn by uPlot 1.6.32 (MIT, in `uplot` with its licence): 51 kB of script, which every page carries, draw
a curve of 90,000 points in a few milliseconds and synchronise cursor and zoom of any number of charts. Plotly's bundle
of 3.5 MB does more, but a page of a short clip would be a hundred times as large. Heat maps, ribbons and the
valence-arousal plane are drawn by our own code, as uPlot has none: the first two inside its charts.
"""
