"""Scores of poses against the truth, as the benchmarks define them, and the tables that show them.

- ``metrics``: every metric once, arrays in and numbers out; training's validation uses the same.
- ``mapfree``: a submission zip, scored exactly as the Map-free benchmark does. ``submission`` reads and writes the zip,
  ``validation`` says what is wrong with one, ``assembly`` makes one from a poses file, in either track.
- ``scannet``: relative poses of a list of pairs; ``sevenscenes``: absolute poses of queries.
- ``report``, ``tables``, ``curves``: files of results, tables with the paper's rows (``paper_tables.csv``), pictures.

One key has one meaning: ``median_*`` is the median over all pairs or queries, where a failure is an infinite error;
``average_median_*`` is Map-free's published figure, the mean over scenes of the median of each scene's estimates. An
infinite figure is written ``inf``, in json as the text ``"inf"``; null means that there is no figure.
"""
