"""Model weights: their names, downloads and checksums, checkpoint files, and the bundled model ``small``."""
