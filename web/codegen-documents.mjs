// A plugin of the code generator: the texts that the desk's operations are sent as, and their ids.
//
// The service finds a document by the SHA-256 of its text. The text is therefore made by urql
// itself, with the `__typename`s that its cache adds.
import { createHash } from "node:crypto";
import { formatDocument, stringifyDocument } from "@urql/core";
import { Kind, parse, print, visit } from "graphql";

/** By `config.as`: "manifest", SHA-256 to text as the service reads it; or "ids", for the desk. */
export function plugin(_schema, documents, config) {
  const definitions = documents.flatMap((file) => file.document?.definitions ?? []);
  const fragments = new Map(
    definitions
      .filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION)
      .map((fragment) => [fragment.name.value, fragment]),
  );
  const texts = definitions
    .filter(({ kind }) => kind === Kind.OPERATION_DEFINITION)
    .map((operation) => [operation.name.value, sentText(operation, fragments)])
    .sort(([one], [other]) => (one < other ? -1 : 1));
  const manifest = Object.fromEntries(texts.map(([, text]) => [sha256(text), text]));
  if (config.as === "manifest") {
    return `${JSON.stringify(manifest, null, 2)}\n`;
  }
  const ids = texts.map(([name, text]) => `  ${name}: "${sha256(text)}",`);
  return [
    "/** What the service knows the operations by: the SHA-256 of each one's text. */",
    "export const documentIds: Readonly<Record<string, string>> = {",
    ...ids,
    "};",
    "",
  ].join("\n");
}

function sentText(operation, fragments) {
  const used = new Map();
  const collect = (definition) =>
    visit(definition, {
      FragmentSpread({ name }) {
        if (!used.has(name.value)) {
          const fragment = fragments.get(name.value);
          used.set(name.value, fragment);
          collect(fragment);
        }
      },
    });
  collect(operation);
  const document = { kind: Kind.DOCUMENT, definitions: [operation, ...used.values()] };
  // Printed and read again: without places in files, as the generated documents are.
  return stringifyDocument(formatDocument(parse(print(document), { noLocation: true })));
}

function sha256(text) {
  return createHash("sha256").update(text).digest("hex");
}
