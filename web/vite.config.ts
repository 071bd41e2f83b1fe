import { readFile } from "node:fs/promises";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const service = process.env.ORDERS_URL ?? "http://127.0.0.1:8000";

/** In development the desk's own addresses give its page, as the service has it. */
function deskAddresses(): Plugin {
  return {
    name: "desk-addresses",
    configureServer(server) {
      server.middlewares.use((request, _response, next) => {
        const path = request.url?.split("?")[0] ?? "";
        const page = path.split("/")[1] ?? "";
        const isFile = path.slice(path.lastIndexOf("/")).includes(".");
        if (["desk", "docs", "playground"].includes(page) && !isFile) {
          request.url = `/${page}/index.html`;
        }
        next();
      });
    },
  };
}

/** The manifest of the desk's operations, by which the service knows them. */
function deskDocuments(): Plugin {
  return {
    name: "desk-documents",
    apply: "build",
    async generateBundle() {
      const source = await readFile("src/desk/gql/documents.json", "utf8");
      this.emitFile({ type: "asset", fileName: "desk/documents.json", source });
    },
  };
}

export default defineConfig({
  appType: "mpa",
  plugins: [react(), deskAddresses(), deskDocuments()],
  build: {
    outDir: "../app/static",
    emptyOutDir: true,
    // A data: URL would need a hole in the pages' Content-Security-Policy.
    assetsInlineLimit: 0,
    license: { fileName: "licenses.md" },
    // The editor is large in any shape.
    chunkSizeWarningLimit: 4_000,
    rolldownOptions: {
      input: {
        playground: "playground/index.html",
        desk: "desk/index.html",
        reference: "docs/index.html",
      },
      onwarn(warning, warn) {
        // GraphiQL's "use no memo" is for a compiler that has run already.
        if (warning.code !== "MODULE_LEVEL_DIRECTIVE") warn(warning);
      },
    },
  },
  worker: { format: "es" },
  server: {
    host: "127.0.0.1",
    // The service runs beside: `make serve`, or wherever ORDERS_URL says.
    proxy: {
      "/graphql": { target: service, ws: true },
      "/openapi.json": service,
      "/orders": service,
      "/schema.graphql": service,
      "/web": service,
    },
  },
});
