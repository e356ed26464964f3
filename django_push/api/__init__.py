"""The native REST API, on Django REST framework.

Mount it with ``path("push/", include("django_push.api.urls"))``. It depends on no setting of the
host project's ``REST_FRAMEWORK`` but ``DEFAULT_AUTHENTICATION_CLASSES``, which prove users.
"""
