"""What may be asked of the ledger, by who asks: the legs, a person at the end of the timeline."""
