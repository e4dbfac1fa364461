"""What the built image is shown to do in QEMU, unchanged, from outside: over the network and its serial line only.

One file a proof; ``run`` names them in order. Each gets a fresh copy of the image. Everything is for the main thread.
"""
