"""Documents for pretraining: where they come from, which of them are fit to learn from."""
