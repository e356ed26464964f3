"""Views: each validates, calls one verb of the core and wraps its answer."""
