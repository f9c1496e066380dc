"""Characters for tests: each real enough to lie, with a knob for each way of failing."""
