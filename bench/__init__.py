"""The bench: where the node is shown (`demo`), fed with real input, and timed against its peers."""
