// From a key to the pages of who has it.
import { useCallback, useEffect, useState } from "react";
import { Provider } from "urql";
import { Router } from "wouter";
import { codesOf, createClient, sentenceOf } from "./client";
import { ViewerDocument } from "./gql/graphql";
import { LiveFeed } from "./live";
import { ListKeeper } from "./orders/list-keeper";
import { type Session, SessionContext, storedKey, storeKey } from "./session/session";
import { SignIn } from "./session/sign-in";
import { Connecting } from "./shell/connecting";
import { Shell } from "./shell/shell";

const REFUSED = "The service does not know this key. Check it, or ask for a new one.";
const ENDED = "Your key has expired or was revoked. Sign in with another one to go on.";
const RETRY_MS = 3_000;

type Entry = { session: Session } | { problem: string; mayPass: boolean };

export function App() {
  const [session, setSession] = useState<Session | null>(null);
  const [notice, setNotice] = useState<string | null>(null);
  const [restoring, setRestoring] = useState(() => storedKey() !== null);
  const [problem, setProblem] = useState<string | null>(null);

  const leave = useCallback((why: string | null) => {
    storeKey(null);
    setNotice(why);
    setSession(null);
  }, []);
  const signIn = useCallback(
    async (key: string): Promise<string | null> => {
      const entry = await enter(key, leave);
      if ("problem" in entry) {
        return entry.problem;
      }
      storeKey(key);
      setNotice(null);
      setSession(entry.session);
      return null;
    },
    [leave],
  );

  // A reload of the page: the tab still has its key.
  useEffect(() => {
    const key = restoring ? storedKey() : null;
    if (key === null) {
      return;
    }
    let timer: ReturnType<typeof setTimeout> | undefined;
    let left = false;
    const restore = async () => {
      const entry = await enter(key, leave);
      if (left) {
        return;
      }
      if ("session" in entry) {
        setSession(entry.session);
        setRestoring(false);
      } else if (entry.mayPass) {
        setProblem(entry.problem);
        timer = setTimeout(restore, RETRY_MS);
      } else {
        leave(ENDED);
        setRestoring(false);
      }
    };
    void restore();
    return () => {
      left = true;
      clearTimeout(timer);
    };
  }, [restoring, leave]);

  if (restoring) {
    return <Connecting problem={problem} />;
  }
  if (!session) {
    return <SignIn notice={notice} signIn={signIn} />;
  }
  return <SignedIn key={session.viewer.id} session={session} />;
}

function SignedIn({ session }: { session: Session }) {
  const { client, feed } = session;
  useEffect(() => {
    feed.start(client);
    return () => feed.stop();
  }, [client, feed]);
  return (
    <SessionContext value={session}>
      <Provider value={client}>
        <Router base="/desk">
          <Shell />
        </Router>
      </Provider>
    </SessionContext>
  );
}

async function enter(key: string, leave: (why: string | null) => void): Promise<Entry> {
  let isIn = false;
  const feed = new LiveFeed();
  const lists = new ListKeeper();
  const client = createClient({
    key,
    onRefused: () => {
      if (isIn) {
        feed.stop();
        lists.close();
        leave(ENDED);
      }
    },
    onStreamOpened: feed.opened,
    onStreamEnded: feed.ended,
  });
  const { data, error } = await client.query(ViewerDocument, {}).toPromise();
  if (!data) {
    const refused = error && codesOf(error).includes("UNAUTHENTICATED");
    const problem = refused ? REFUSED : error ? sentenceOf(error) : "The service gave no answer.";
    return { problem, mayPass: !refused };
  }
  isIn = true;
  const scopes = new Set(data.scopes);
  const session: Session = {
    viewer: data.me,
    can: (scope) => scopes.has(scope) || scopes.has("ADMIN"),
    client,
    feed,
    lists,
    signOut: () => {
      feed.stop();
      lists.close();
      leave(null);
    },
  };
  return { session };
}
