import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import "swagger-ui-dist/swagger-ui.css";
import "./reference.css";

const dark = matchMedia("(prefers-color-scheme: dark)");

/** Look as the system does. */
function followSystem(): void {
  document.documentElement.classList.toggle("dark-mode", dark.matches);
}

followSystem();
dark.addEventListener("change", followSystem);

SwaggerUI({
  dom_id: "#root",
  url: "/openapi.json",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
  // A key stays in this page, and nobody else is asked what they think of the document.
  persistAuthorization: false,
  validatorUrl: null,
});
