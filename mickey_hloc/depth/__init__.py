"""Metric depth sources."""
