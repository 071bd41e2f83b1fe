import { createGraphiQLFetcher } from "@graphiql/toolkit";
import { GraphiQL } from "graphiql";
import { createRoot } from "react-dom/client";
import "@graphiql/react/style.css";
import "@graphiql/plugin-history/style.css";
import "@graphiql/plugin-doc-explorer/style.css";
import "graphiql/graphiql.css";
import "./playground.css";
import { Home } from "./Home";
import { storageWithoutHeaders } from "./storage";
import { setUpWorkers } from "./workers";

/** What the service has for the first look: an example in each tab; in a demo, with a key. */
interface Start {
  defaultTabs: { query: string; variables: string; headers: string }[];
  defaultHeaders: string;
}

const ENDPOINT = "/graphql";

async function readStart(): Promise<Start> {
  const response = await fetch("/web/playground.json");
  if (!response.ok) {
    throw new Error(`${response.status} ${response.statusText}`);
  }
  return response.json();
}

function fetcher() {
  const subscriptions = new URL(ENDPOINT, location.href);
  subscriptions.protocol = subscriptions.protocol.replace("http", "ws");
  return createGraphiQLFetcher({ url: ENDPOINT, subscriptionUrl: subscriptions.href });
}

async function show(root: HTMLElement): Promise<void> {
  let start: Start;
  try {
    start = await readStart();
  } catch (error) {
    root.textContent = `The service does not answer (${error}). Reload the page to try again.`;
    return;
  }
  setUpWorkers();
  createRoot(root).render(
    <GraphiQL
      fetcher={fetcher()}
      storage={storageWithoutHeaders(start.defaultHeaders)}
      shouldPersistHeaders={false}
      showPersistHeadersSettings={false}
      {...start}
    >
      <GraphiQL.Logo>
        <Home />
      </GraphiQL.Logo>
    </GraphiQL>,
  );
}

const root = document.getElementById("root");
if (root) {
  void show(root);
}
