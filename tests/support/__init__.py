"""What several tests use: scenes with known poses, small models, servers on loopback, stand-ins for hloc."""
