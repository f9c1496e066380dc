"""The journey of a series, one file a leg; legs meet only in the ledger."""
