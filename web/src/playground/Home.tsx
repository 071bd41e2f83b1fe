import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { useEffect } from "react";

const dark = matchMedia("(prefers-color-scheme: dark)");

/**
 * The way to the start page.
 *
 * Inside of GraphiQL, it also has the editors follow when the system becomes dark or light, where
 * nobody chose one of both: GraphiQL's own styles do, and would leave them behind.
 */
export function Home() {
  const theme = useGraphiQL((state) => state.theme);
  const { setTheme } = useGraphiQLActions();
  useEffect(() => {
    const follow = () => {
      if (theme === null) setTheme(null);
    };
    dark.addEventListener("change", follow);
    return () => dark.removeEventListener("change", follow);
  }, [theme, setTheme]);
  return (
    <a className="home" href="/">
      orders-graphql
    </a>
  );
}
