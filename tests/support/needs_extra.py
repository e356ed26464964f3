"""A provider whose library is not installed."""

import no_such_library

Provider = no_such_library.Provider
