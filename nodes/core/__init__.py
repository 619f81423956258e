"""The built-in faces, one file a subject: typed functions that import torch only inside their bodies."""
