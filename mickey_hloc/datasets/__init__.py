"""Datasets with metric poses: readers of their files, and pairs of their images to train and validate with.

Readers give names, intrinsics and poses as cam_from_world in metres, whatever the files have:

- ``mapfree``: scenes of Map-free, or anything laid out like them; ``scannet``: lists of posed pairs as ScanNet-1500's;
  ``sevenscenes``: scenes of 7-Scenes; ``posed_folder``: COLMAP models, TUM sequences and the others as plain images.

Sources find the pairs in them. A source is a frozen dataclass that opens a data set, mostly of a ``table()`` of pairs:

- ``mapfree_pairs``, ``scannet_pairs``, ``folder_pairs`` (with ``covisibility``: what two views share) and, without a
  table, ``synthetic_pairs``. ``pair_sources`` has their base and makes them from a configuration. A new source gets a
  line in ``registry/tables.py``; one of your own is named by its dotted path.

Tensors: ``pairs`` is the table and the data set of its items, with images brought to one size by ``fitting``;
``synthetic`` is the endless data set of procedural rooms, and ``room_export`` writes such rooms to the disk.
"""
