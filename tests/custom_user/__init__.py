"""A project whose users have UUIDs for keys: everything must work there too."""
