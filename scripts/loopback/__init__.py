"""A package registry on loopback: one server for benchmarks, large tests and tests of bad behaviour.

``http1`` speaks HTTP/1.1, ``listener`` owns the thread and the sockets, ``server`` answers requests and misbehaves
when a rule of ``faults`` says so, ``proxy`` is a forward proxy, ``tls`` makes certificates. ``recording`` is a folder
of recorded answers, ``recorder`` fills it from a real registry through ``upstream``, ``replay`` serves it again, by
``nginx`` where there is one.
"""
