// The linter of the schema: `npm run --prefix tests/node lint` lints schema.graphql.
import plugin from "@graphql-eslint/eslint-plugin";

const { configs } = plugin;

export default [
  {
    files: ["**/*.graphql"],
    languageOptions: {
      parser: plugin.parser,
      parserOptions: { graphQLConfig: { schema: "schema.graphql" } },
    },
    plugins: { "@graphql-eslint": plugin },
    rules: {
      ...configs["flat/schema-all"].rules,
      ...configs["flat/schema-recommended"].rules,
      ...configs["flat/schema-relay"].rules,

      "@graphql-eslint/require-description": [
        "error",
        {
          types: true,
          rootField: true,
          FieldDefinition: true,
          InputValueDefinition: true,
          EnumValueDefinition: true,
          DirectiveDefinition: true,
        },
      ],
      "@graphql-eslint/strict-id-in-types": [
        "error",
        {
          // Values and views: they have no life of their own.
          exceptions: {
            suffixes: ["Payload", "Connection", "Edge", "Stats"],
            types: ["Money", "OrderStatsPoint", "PageInfo", "UserError"],
          },
        },
      ],
      // The event log is read in the direction in which it grows.
      "@graphql-eslint/relay-arguments": ["error", { includeBoth: false }],
      "@graphql-eslint/relay-edge-types": [
        "error",
        {
          withEdgeSuffix: true,
          // Connections have `nodes` beside `edges`; short lists, such as an order's items, are lists.
          listTypeCanWrapOnlyEdgeType: false,
          // An entry of the event log is found through the log, not by `node`.
          shouldImplementNode: false,
        },
      ],

      // Fields stand in the order in which one reads them.
      "@graphql-eslint/alphabetize": "off",
      // There is always somebody behind a key, and a list may be empty: neither is null.
      "@graphql-eslint/require-nullable-result-in-root": "off",
      // A payload has what was changed; more can be asked for in another operation.
      "@graphql-eslint/require-field-of-type-query-in-mutation-result": "off",
      // It forbids mutations and subscriptions.
      "@graphql-eslint/no-root-type": "off",
      // It wants an argument that `@deprecated` does not have. docs/schema.md says how long a
      // deprecated field stays.
      "@graphql-eslint/require-deprecation-date": "off",
    },
  },
];
