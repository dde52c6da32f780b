"""How new weights get from the trainer into servers.

    trainer:  route.send(names and tensors) ─► route.finish(version) ─► route.deliver(server), each
    server:   received(offer, body) ─► names and tensors ─► engine.load_weights(..., version)

A route is a class with the trainer's end (`protocol.Route`), and a module of this folder with the
server's end: a function `received`, which the offer names by its module. Where the engine itself
gets the tensors (`vllm_transfer`), it is given the offer: `protocol.Fetched`.
"""
