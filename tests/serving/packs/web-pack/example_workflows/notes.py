"""Not offered."""
