"""Losses and advantages: pure functions of tensors and floats; policy losses share `PolicyLoss`."""
