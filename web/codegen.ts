import type { CodegenConfig } from "@graphql-codegen/cli";

/** Types for the desk's operations, from the schema that the service is held to. */
const config: CodegenConfig = {
  schema: "../schema.graphql",
  documents: ["src/desk/**/*.graphql"],
  generates: {
    "src/desk/gql/": {
      preset: "client",
      presetConfig: { fragmentMasking: { unmaskFunctionName: "readFragment" } },
      config: {
        enumsAsTypes: true,
        scalars: { DateTime: "string", Decimal: "string" },
        strictScalars: true,
        useTypeImports: true,
      },
    },
    "src/desk/gql/documents.json": {
      plugins: ["./codegen-documents.mjs"],
      config: { as: "manifest" },
    },
    "src/desk/gql/document-ids.ts": {
      plugins: ["./codegen-documents.mjs"],
      config: { as: "ids" },
    },
  },
};

export default config;
