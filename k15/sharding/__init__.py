"""One model on several devices: its weights, gradients and optimizer state spread over ranks."""
