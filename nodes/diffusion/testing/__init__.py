"""What `weft test` measures values with, and what its assertion nodes compute."""
