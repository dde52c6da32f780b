"""Losses and advantages: pure functions of tensors and floats; a policy loss takes `LossInputs`."""
