"""Training from image pairs and their relative poses alone: data, losses, schedule, validation, export.

Lightning runs it; ``mickey-hloc train`` starts it from a configuration file.
"""
