import type { CodegenConfig } from "@graphql-codegen/cli";

/** Types for the desk's operations, from the schema that the service is held to. */
const config: CodegenConfig = {
  schema: "../schema.graphql",
  documents: ["src/desk/**/*.{ts,tsx,graphql}", "!src/desk/gql/**"],
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
  },
};

export default config;
