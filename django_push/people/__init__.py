"""One person's data, to hand out and to erase (GDPR, articles 15 and 17)."""

from .erasing import Erased, erase_user, held
from .export import export_user
from .person import ERASED, Person, person_applications

__all__ = ["ERASED", "Erased", "Person", "erase_user", "export_user", "held", "person_applications"]
