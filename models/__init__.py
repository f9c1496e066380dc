"""The workshop: where models are converted, trained and measured; the node never imports it."""
