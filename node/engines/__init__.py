"""How a network is executed; only the model's child process imports this room."""
