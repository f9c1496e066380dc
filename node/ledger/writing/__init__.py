"""What may be written down, one file a leg: one verb, one transaction, the row and its event."""
