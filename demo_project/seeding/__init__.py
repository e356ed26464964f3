"""What the demo starts with. Everything is made only if it is missing: seeding twice is seeding
once, and what people changed in the meantime stays as they left it."""
