"""Engines as servers, on this machine or others, that may die (k1.5 §2.6).

    trainer ── ServedEngine ── fleet ─┬─ member (a thread) ── HTTP ──► server ── engine, any one
       requests, completions          ├─ member               ...
       weights ── route ──────────────┘   starts it, asks it, loses it, starts it again

A server (`__main__`, `child`: `server`, `desk`, `http_server`) runs a `RolloutEngine` and keeps
what its requests have become until the trainer has it. The trainer's side (`engine`, `fleet`,
`member`, `call`) sends each request to one server, learns of its tokens as they come, and has
another server go on from them when the first one is lost.
"""
