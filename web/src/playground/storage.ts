/** What GraphiQL keeps things in. */
interface Store {
  readonly length: number;
  getItem(name: string): string | null;
  setItem(name: string, value: string): void;
  removeItem(name: string): void;
  clear(): void;
}

const PREFIX = "graphiql:";

/**
 * The browser's storage, but for headers: a key stands in them.
 *
 * GraphiQL can be told not to keep those of its tabs, and its history keeps them all the same.
 *
 * @param headers What stands in the place of headers that were not kept.
 */
export function storageWithoutHeaders(headers: string): Store {
  return {
    get length() {
      return ours().length;
    },
    getItem(name) {
      const kept = localStorage.getItem(name);
      return kept && revised(kept, (value) => value ?? headers);
    },
    setItem(name, value) {
      if (name !== `${PREFIX}headers`) {
        localStorage.setItem(
          name,
          revised(value, () => null),
        );
      }
    },
    removeItem(name) {
      localStorage.removeItem(name);
    },
    clear() {
      for (const name of ours()) {
        localStorage.removeItem(name);
      }
    },
  };
}

function ours(): string[] {
  return Object.keys(localStorage).filter((name) => name.startsWith(PREFIX));
}

function revised(text: string, headers: (value: unknown) => unknown): string {
  try {
    return JSON.stringify(
      JSON.parse(text, (name, value) => (name === "headers" ? headers(value) : value)),
    );
  } catch {
    return text; // no JSON: the width of a pane, the name of a theme
  }
}
