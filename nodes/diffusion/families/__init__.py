"""Families of networks: how the files of each are recognised, built and fed. One folder a family."""
