"""What a training would take, before there are weights: memory per device, and the time of an
iteration.

    the words of train.py ─► configuration ─► model without weights ─► memory per device
                                                     │
    lengths (a run's, or drawn) ──┐                  ▼
    speeds (measured here, or ────┴─► the collector over a scripted clock ─► seconds per iteration
            a device's data sheet)
"""
