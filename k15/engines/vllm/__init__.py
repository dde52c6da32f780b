"""Rollouts by vLLM (https://docs.vllm.ai), imported only where it is chosen."""
