"""Methods x depth sources x solvers, side by side with the paper's figures."""
