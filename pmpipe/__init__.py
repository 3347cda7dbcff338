"""pmpipe installs npm projects through a multiprocessing pipeline on staged, bounded work queues."""

__version__ = "0.1.0"
