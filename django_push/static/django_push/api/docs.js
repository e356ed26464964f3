"use strict";
// Shows the OpenAPI document. Requests of a signed-in user need Django's CSRF token.
(function () {
  function csrfToken() {
    const found = document.cookie.match(/(?:^|;\s*)csrftoken=([^;]+)/);
    return found ? decodeURIComponent(found[1]) : "";
  }

  const page = document.getElementById("django-push-docs");
  window.SwaggerUIBundle({
    url: page.dataset.schema,
    domNode: page,
    deepLinking: true,
    validatorUrl: null,
    requestInterceptor: function (request) {
      const sameOrigin = new URL(request.url, window.location.href).origin === window.location.origin;
      if (sameOrigin && request.method && request.method !== "GET") {
        request.headers["X-CSRFToken"] = csrfToken();
      }
      return request;
    },
  });
})();
