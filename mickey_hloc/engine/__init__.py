"""The steps on one machine, or shared out to many by Ray: the same call, the same bytes in the end.

``Engine`` runs the steps here. ``RayEngine`` cuts their images or pairs into shards, has workers on all machines of a
Ray cluster make a resumable file of each, and merges these into the file that one machine would have written.
"""

from mickey_hloc.engine.local import Engine

__all__ = ["Engine"]
