"""Who generates: engines take token ids and give token ids, and know nothing of tasks, text or
rewards.
"""
