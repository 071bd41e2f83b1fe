import EditorWorker from "./workers/editor.worker?worker";
import GraphQLWorker from "./workers/graphql.worker?worker";
import JsonWorker from "./workers/json.worker?worker";

/** Tell the editor where its workers are. They are files of ours, as a policy wants them. */
export function setUpWorkers(): void {
  window.MonacoEnvironment = {
    getWorker(_id, label) {
      if (label === "json") return new JsonWorker();
      if (label === "graphql") return new GraphQLWorker();
      return new EditorWorker();
    },
  };
}
