"""The Efficiency family: loaders and samplers that expand into core nodes, and scripts that are data."""
