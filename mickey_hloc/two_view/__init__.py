"""The metric relative pose of two images: method, problem, estimator and result."""
