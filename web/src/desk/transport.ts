// How operations travel: by the id of their document, with the caller's key in a header.
import { documentIds } from "./gql/document-ids";

export const endpoint = "/graphql";

/** Whether the service turned out not to know our documents: then their text is sent. */
let sendsText = import.meta.env.DEV;

/**
 * `fetch` for urql and graphql-sse, which names an operation instead of sending it.
 *
 * A service that runs another version of this page may not know the id. It then gets the text, and
 * refuses that too if it executes nothing but its own documents.
 */
export async function fetchByDocumentId(
  input: RequestInfo | URL,
  init: RequestInit = {},
): Promise<Response> {
  const named = sendsText ? undefined : withDocumentId(init.body);
  if (!named) {
    return fetch(input, init);
  }
  const response = await fetch(input, { ...init, body: named });
  if (await isOfUnknownDocument(response.clone())) {
    sendsText = true;
    return fetch(input, init);
  }
  return response;
}

function withDocumentId(body: RequestInit["body"]): string | undefined {
  if (typeof body !== "string") {
    return undefined;
  }
  const { query: _, ...request } = JSON.parse(body) as { query: string; operationName: string };
  const id = documentIds[request.operationName];
  return id && JSON.stringify({ ...request, documentId: `sha256:${id}` });
}

async function isOfUnknownDocument(response: Response): Promise<boolean> {
  const type = response.headers.get("content-type") ?? "";
  if (type.includes("event-stream")) {
    // Streams are opened after the first query was answered, so it is known by then.
    await response.body?.cancel();
    return false;
  }
  const text = await response.text();
  return text.includes('"PERSISTED_DOCUMENT_NOT_FOUND"');
}
